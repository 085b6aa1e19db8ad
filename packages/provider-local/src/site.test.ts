import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactReference, PilotError, SourceFacts } from '@pilot/core'
import { planSite } from './builders/site-plan.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(() => platform?.stop())

const builder = () => platform.provider.builders.find(({ target }) => target === 'static')!

async function build(name: string, files: Record<string, string>, { site, args = {}, log = [] as string[] }: { site?: SourceFacts['static']; args?: Record<string, string>; log?: string[] } = {}): Promise<ArtifactReference> {
  const source = sourceOf(files)
  return builder().build({ app: platform.app(name).identity, ...source, facts: { ...source.facts, ...(site ? { static: site } : {}) }, args, signal: noSignal(), log: (line) => log.push(line) })
}

async function release(name: string, deployment: string, artifact: ArtifactReference, { spa = false } = {}): Promise<string> {
  const { identity, engine } = platform.app(name)
  const compute = platform.provider.compute.static!
  const staged = compute.deployment({ app: identity, deployment, artifact, env: {}, health: defaultHealth, memoryBytes: 1, cpu: 1, instances: 1, appOutputs: {}, ...(spa ? { spa } : {}) })
  const traffic = compute.traffic({ app: identity, hostLabel: `${name}.shop`, weights: [{ deployment, percent: 100, outputs: staged.outputs }], domains: [], appOutputs: {} })
  const outputs = await engine.apply([...staged.resources, ...traffic.resources])
  return outputs['traffic']!['fallbackUrl'] as string
}

const failure = (work: Promise<unknown>): Promise<PilotError> => work.then(() => expect.unreachable(), (error: PilotError) => error)
const packageJson = (scripts: object): string => JSON.stringify({ name: 'site', version: '1.0.0', scripts })
const buildScript = `const fs = require('fs')
fs.mkdirSync('dist/assets', { recursive: true })
fs.writeFileSync('dist/index.html', '<h1>' + (process.env.TITLE ?? 'built') + '</h1>')
fs.writeFileSync('dist/assets/app-3f9a1c2b.js', 'hello()')`

describe('a site', () => {
  test('is built, released and replaced as a whole', async () => {
    const files = { 'package.json': packageJson({ build: 'node build.cjs' }), 'build.cjs': buildScript }
    const log: string[] = []
    const url = await release('web', 'd1', await build('web', files, { log }))
    expect(log).toContain('$ npm run build')
    expect(await (await fetch(url)).text()).toBe('<h1>built</h1>')
    expect((await fetch(`${url}/assets/app-3f9a1c2b.js`)).headers.get('cache-control')).toContain('immutable')
    expect((await fetch(`${url}/package.json`)).status).toBe(404)

    await release('web', 'd2', await build('web', files, { args: { TITLE: 'next' } }))
    expect(await (await fetch(url)).text()).toBe('<h1>next</h1>')
    expect(await platform.provider.compute.static!.status({ app: platform.app('web').identity, signal: noSignal() })).toEqual([{ deployment: 'd2', instance: 'site', state: 'running' }])
  })

  test('of plain files is served as it is, but for what is about it', async () => {
    const url = await release('plain', 'd1', await build('plain', { 'index.html': 'home', 'about.html': 'about', 'pilot.yaml': 'project: x', '.env': 'SECRET=1' }))
    expect(await Promise.all(['/', '/about', '/pilot.yaml', '/.env'].map(async (path) => (await fetch(url + path)).status))).toEqual([200, 200, 404, 404])
  })

  test('that routes in the browser answers every page', async () => {
    const url = await release('spa', 'd1', await build('spa', { 'index.html': 'app' }), { spa: true })
    expect(await (await fetch(`${url}/orders/1`, { headers: { accept: 'text/html' } })).text()).toBe('app')
  })

  test('without its output folder says which, and what to write', async () => {
    const files = { 'package.json': packageJson({ build: 'node -e 0' }) }
    expect(await failure(build('empty', files))).toMatchObject({ code: 'BUILD_FAILED', reason: 'There is no folder dist after the build.', suggestion: expect.stringContaining('static: { output: FOLDER }') })
    expect(await failure(build('out', { 'index.html': '' }, { site: { output: '../..' } }))).toMatchObject({ code: 'BUILD_FAILED' })
    const linked = { 'package.json': packageJson({ build: 'node build.cjs' }), 'build.cjs': `require('fs').symlinkSync('/etc', 'dist')` }
    expect(await failure(build('linked', linked))).toMatchObject({ code: 'BUILD_FAILED', reason: expect.stringContaining('dist') })
  })

  test('is deleted when nothing serves it', async () => {
    const files = { 'index.html': 'home' }
    const first = await build('old', files)
    await release('old', 'd1', first)
    await expect(builder().remove!(first, noSignal())).rejects.toMatchObject({ code: 'BLOCKED' })
    await release('old', 'd2', await build('old', { 'index.html': 'new' }))
    await builder().remove!(first, noSignal())
    expect([existsSync(first.location), await builder().exists(first, noSignal())]).toEqual([false, false])
  })
})

describe('how a site is built', () => {
  const facts = (files: Record<string, string>, site?: SourceFacts['static']): SourceFacts => ({ files: Object.keys(files).sort(), text: (path) => files[path], ...(site ? { static: site } : {}) })
  const commands = (source: SourceFacts) => planSite(source)?.steps.map(({ command }) => command.join(' '))
  const withDependency = JSON.stringify({ scripts: { build: 'vite build' }, devDependencies: { vite: '1' } })

  test.each([
    ['package-lock.json', ['npm ci --include=dev --no-audit --no-fund', 'npm run build']],
    ['pnpm-lock.yaml', ['npx --yes pnpm@10 install --frozen-lockfile --package-import-method=copy', 'npx --yes pnpm@10 run build']],
    ['yarn.lock', ['npx --yes yarn@1.22.22 install --frozen-lockfile --production=false', 'npx --yes yarn@1.22.22 run build']],
  ])('%s says with what', (lockfile, wanted) => {
    expect(commands(facts({ 'package.json': withDependency, [lockfile]: '' }))).toEqual(wanted)
  })

  test('the manifest wins over what was found', () => {
    expect(planSite(facts({ 'package.json': withDependency }, { output: 'public', command: 'npm run site' }))).toMatchObject({ output: 'public', steps: [{}, { command: ['npm', 'run', 'site'] }] })
    expect(planSite(facts({ 'www/a.html': '' }, { output: './www/' }))).toMatchObject({ output: 'www', steps: [] })
    expect(planSite(facts({ 'server.js': '' }))).toBeUndefined()
  })
})
