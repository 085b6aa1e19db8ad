import { expect, test } from 'vitest'
import { commandWords, detectProgram } from '@pilot/core'
import { planProcess } from './process-plan.ts'

const plan = (files: Record<string, string>) => planProcess({ files: Object.keys(files).sort(), text: (path) => files[path] })
const steps = (files: Record<string, string>): string[] => plan(files)!.steps.map(({ command }) => command.join(' '))
const json = (more: object): string => JSON.stringify({ dependencies: { express: '5' }, scripts: { start: 'node server.js' }, ...more })

test('a Node app with a lockfile installs what production needs and starts without npm between', () => {
  const files = { 'package.json': json({}), 'package-lock.json': '{}' }
  expect(steps(files)).toEqual(['npm ci --omit=dev --no-audit --no-fund'])
  expect(plan(files)).toMatchObject({ reason: 'package.json with package-lock.json', start: ['node', 'server.js'] })
})

test('a build script gets development packages, which are removed afterwards', () => {
  expect(steps({ 'package.json': json({ scripts: { build: 'tsc', start: 'node dist/server.js' } }), 'package-lock.json': '{}' })).toEqual(['npm ci --include=dev --no-audit --no-fund', 'npm run build', 'npm prune --omit=dev --no-audit --no-fund'])
})

test('an app without dependencies installs nothing', () => {
  expect(steps({ 'package.json': JSON.stringify({ scripts: { start: 'node .' } }) })).toEqual([])
})

test('pnpm and yarn are used by their lockfiles, in the version that the manifest names', () => {
  expect(steps({ 'package.json': json({ packageManager: 'pnpm@9.1.0+sha512.abc' }), 'pnpm-lock.yaml': '' })[0]).toBe('npx --yes pnpm@9.1.0 install --frozen-lockfile --prod --package-import-method=copy')
  expect(steps({ 'package.json': json({}), 'yarn.lock': '' })[0]).toBe('npx --yes yarn@1.22.22 install --frozen-lockfile --production')
  expect(steps({ 'package.json': json({ packageManager: 'yarn@4.5.0' }), 'yarn.lock': '' })[0]).toBe('npx --yes @yarnpkg/cli-dist@4 install --immutable')
  expect(steps({ 'package.json': json({ packageManager: 'pnpm@9.1.0' }), 'package-lock.json': '{}' })[0]).toBe('npx --yes pnpm@9.1.0 install --prod --package-import-method=copy')
  expect(steps({ 'package.json': json({}), 'bun.lock': '' })[0]).toBe('npm install --omit=dev --no-audit --no-fund')
})

test('a start script that needs a shell gets one', () => {
  expect(plan({ 'package.json': json({ scripts: { start: 'NODE_ENV=production node server.js' } }) })!.start).toEqual(['sh', '-c', 'NODE_ENV=production node server.js'])
  expect(plan({ 'package.json': json({ scripts: { prestart: 'node setup.js', start: 'node server.js' } }) })!.start).toEqual(['sh', '-c', 'node setup.js && node server.js'])
})

test('without a start script main or the usual file is run; a package that is no app is not taken', () => {
  expect(plan({ 'package.json': '{"main":"app.js"}', 'app.js': '' })!.start).toEqual(['node', 'app.js'])
  expect(plan({ 'package.json': '{"scripts":{"build":"vite build"}}' })).toBeUndefined()
  expect(plan({ 'package.json': 'no json' })).toBeUndefined()
})

test('Python installs into an environment of its own; a Procfile says how it starts', () => {
  const files = { 'requirements.txt': 'flask', Procfile: 'release: python migrate.py\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\n', 'app.py': '' }
  expect(steps(files)).toEqual(['python3 -m venv .venv', '.venv/bin/python -m pip install --disable-pip-version-check --no-input -r requirements.txt'])
  expect(plan(files)!.start).toEqual(['sh', '-c', 'gunicorn app:app --bind 0.0.0.0:$PORT'])
  expect(plan({ 'main.py': '' })!.start).toEqual(['python', 'main.py'])
})

test('Go is built from the root or from the only command', () => {
  expect(plan({ 'go.mod': '', 'main.go': '' })).toMatchObject({ start: ['./.pilot-bin/app'], steps: [{ command: ['go', 'build', '-trimpath', '-o', '.pilot-bin/app', '.'] }] })
  expect(plan({ 'go.mod': 'module example.com/shop/v2\n', 'main.go': '', Procfile: 'web: shop' })).toMatchObject({ start: ['shop'], steps: [{ command: ['go', 'build', '-trimpath', '-o', '.pilot-bin/shop', '.'] }] })
  expect(steps({ 'go.mod': '', 'cmd/api/main.go': '' })[0]).toMatch(/ \.\/cmd\/api$/)
  expect(plan({ 'go.mod': '', 'cmd/a/main.go': '', 'cmd/b/main.go': '' })).toBeUndefined()
})

test('a Procfile alone is enough; a folder that asks for another builder, or holds none of these, is not taken', () => {
  expect(plan({ Procfile: 'web: ./serve' })).toMatchObject({ steps: [], start: ['./serve'] })
  expect(plan({ 'index.html': '' })).toBeUndefined()
  expect(planProcess({ files: ['Procfile'], text: () => 'web: x', build: 'Dockerfile' })).toBeUndefined()
})

test('what `init` shows is what starts', () => {
  const node = { 'package.json': '{"scripts":{"prestart":"node a.js","start":"NODE_ENV=x node b.js"}}', Dockerfile: 'FROM node' }
  expect(plan(node)?.start).toEqual(commandWords(detectProgram({ files: Object.keys(node), text: (path) => node[path as 'Dockerfile'] })!.start!))
  const flask = { 'requirements.txt': 'Flask\n', 'app.py': 'from flask import Flask\napp = Flask(__name__)\n' }
  expect(plan(flask)?.start).toEqual(['sh', '-c', 'python -m flask --app app:app run --host ${HOST:-0.0.0.0} --port $PORT'])
  expect(plan({ 'package.json': '{}', 'src/index.js': '' })?.start).toEqual(['node', 'src/index.js'])
})
