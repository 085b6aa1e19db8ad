import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { external, programs } from '../../scripts/build/programs.ts'
import type { Bill } from '../../scripts/supply-chain/bill.ts'
import { removeWhole } from '../driver/pilot.ts'

/** What a stranger gets from a registry: tarballs, in a folder that knows nothing of this workspace. */
const root = path.resolve(import.meta.dirname, '../..')
const fixtures = path.join(root, 'e2e/fixtures')
const names = ['core', 'host', 'provider-local', 'server', 'tui']

let folder: string
/** By the package's name: `file:/…/pilot-core-0.1.0.tgz`. */
let tarballs: Readonly<Record<string, string>>
let consumer: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilot-pack-'))
  tarballs = Object.fromEntries(await Promise.all(names.map(async (name) => [`@pilot/${name}`, `file:${await pack(path.join(root, 'packages', name))}`] as const)))
  consumer = await project('consumer', { dependencies: { ...tarballs, '@types/node': await versionOf('@types/node') } })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('a tarball holds what runs and its types, and neither sources nor tests', async () => {
  for (const name of names) {
    const files = await filesIn(path.join(consumer, 'node_modules/@pilot', name))
    expect(files.filter((file) => !/^(dist\/|package\.json$|README|LICENSE)/.test(file))).toEqual([])
    expect(files.filter((file) => /\.test\.|(?<!\.d)\.ts$/.test(file))).toEqual([])
    expect(files).toContain('dist/index.d.ts')
    // A consumer must not look for sources: tsc leaves `.ts` in declarations.
    for (const file of files.filter((each) => each.endsWith('.d.ts'))) expect(await readFile(path.join(consumer, 'node_modules/@pilot', name, file), 'utf8')).not.toMatch(/(from |import\()['"]\.[^'"]*\.tsx?['"]/)
  }
})

test('a bill of materials lies in each package, and is one', async () => {
  for (const name of names) {
    const bill = await billIn(name)
    const { version } = await manifestOf(path.join(consumer, 'node_modules/@pilot', name))
    expect(bill).toMatchObject({ $schema: expect.stringContaining('cyclonedx'), bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: expect.stringMatching(/^urn:uuid:[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/), version: 1, metadata: { component: { type: 'library', name: `@pilot/${name}`, version, purl: `pkg:npm/%40pilot/${name}@${version}` } } })
    expect(Object.keys(bill).toSorted()).toEqual(['$schema', 'bomFormat', 'components', 'dependencies', 'metadata', 'serialNumber', 'specVersion', 'version'])
    const refs = new Set([bill.metadata.component['bom-ref'], ...bill.components.map((component) => component['bom-ref'])])
    expect(refs.size).toBe(bill.components.length + 1)
    for (const component of bill.components) {
      expect(component).toMatchObject({ type: 'library', name: expect.stringMatching(/./), version: expect.stringMatching(/^\d+\.\d+\.\d+/), scope: expect.stringMatching(/^(required|optional)$/) })
      expect(component.purl).toBe(`pkg:npm/${component.name.replace('@', '%40')}@${component.version}`)
      expect(component.licenses).toEqual([expect.toSatisfy((licence: object) => 'expression' in licence || typeof (licence as { license: { id: unknown } }).license.id === 'string')])
      for (const { content } of component.hashes ?? []) expect(content).toMatch(/^[\da-f]{128}$/)
    }
    for (const { ref, dependsOn } of bill.dependencies) expect([ref, ...dependsOn].filter((each) => !refs.has(each))).toEqual([])
  }
})

test('each bill names what its package asks for, and everything that its programs contain', async () => {
  for (const name of names) {
    const { components } = await billIn(name)
    const { dependencies = {} } = await manifestOf(path.join(root, 'packages', name))
    expect(Object.keys(dependencies).filter((each) => !components.some((component) => component.name === each))).toEqual([])
    const named = components.filter(({ properties }) => properties.some(({ value }) => value.startsWith('bundled'))).map((component) => component['bom-ref'])
    const contained = await containedIn(`packages/${name}`)
    expect(contained.length > 0).toBe(name !== 'core')
    expect(contained.filter((each) => !named.includes(each))).toEqual([])
  }
})

test('every package installs outside the workspace and imports with its types, also @pilot/core/testing', async () => {
  await cp(path.join(fixtures, 'import-all.ts'), path.join(consumer, 'import-all.ts'))
  await writeFile(path.join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions: { strict: true, module: 'nodenext', target: 'es2024', types: ['node'], outDir: 'out', skipLibCheck: true }, include: ['*.ts'] }))
  await tsc(consumer)
  const { stdout } = await run(process.execPath, ['out/import-all.js'], consumer)
  expect(JSON.parse(stdout)).toMatchObject({ code: 'NAME_TAKEN', port: 8080, provider: 'local', answers: true, functions: true, error: 'NAME_TAKEN', catalogue: true, surfaces: [true, true, true, true], edge: expect.stringContaining(path.join(consumer, 'node_modules/@pilot/host/dist/edge/main.js')) })
})

test('our declarations are sound by themselves', async () => {
  await writeFile(path.join(consumer, 'tsconfig.declarations.json'), JSON.stringify({ compilerOptions: { strict: true, module: 'nodenext', target: 'es2024', types: ['node'], noEmit: true, skipLibCheck: false }, files: names.map((name) => `node_modules/@pilot/${name}/dist/index.d.ts`) }))
  const { stdout } = await run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.declarations.json', '--pretty', 'false'], consumer).catch((failure: { stdout: string }) => failure)
  expect(stdout.split('\n').filter((line) => line.startsWith('node_modules/@pilot/'))).toEqual([])
})

test('a provider of a third party compiles against the package, passes the conformance suite, and appears in setup --json', async () => {
  const acme = path.join(folder, 'provider-acme')
  await cp(path.join(fixtures, 'provider-acme'), acme, { recursive: true })
  await install(acme, [`@pilot/core@${tarballs['@pilot/core']}`, `@types/node@${await versionOf('@types/node')}`])
  await tsc(acme)
  const conformance = await run(process.execPath, ['--test', '--test-reporter=tap', 'dist/conformance.test.js'], acme)
  expect(conformance.stdout).toMatch(/^# fail 0$/m)
  expect(Number(/^# pass (\d+)$/m.exec(conformance.stdout)?.[1])).toBeGreaterThan(10)

  const home = path.join(folder, 'home')
  const pilot = (...words: string[]) => run(path.join(consumer, 'node_modules/.bin/pilot'), words, consumer, { PILOT_HOME: home })
  try {
    expect((await pilot('provider', 'add', await pack(acme), '--yes')).stdout).toBe('Installed pilot-provider-acme 0.3.0: Acme cabinets\n')
    expect(await readdir(path.join(home, 'providers/node_modules'))).toContain('pilot-provider-acme')
    const cabinet = path.join(folder, 'cabinet')
    await mkdir(cabinet)
    expect(JSON.parse((await pilot('setup', '--json')).stdout)).toMatchObject({
      providers: [{ name: 'local' }, { name: 'acme', package: 'pilot-provider-acme', version: '0.3.0', builtIn: false, title: 'Acme cabinets', settings: { properties: { cabinet: { default: '/srv/cabinet' } } } }],
    })
    await pilot('setup', 'acme', '--set', `cabinet=${cabinet}`, '--yes')
    expect(await readdir(cabinet)).toHaveLength(1)
    await pilot('destroy', '--platform', 'acme', '--yes')
    expect(await readdir(cabinet)).toEqual([])
  } finally {
    await pilot('server', 'stop', '--all', '--yes')
    await removeWhole(home)
  }
})

const billIn = async (name: string) => JSON.parse(await readFile(path.join(consumer, 'node_modules/@pilot', name, 'dist/sbom.cdx.json'), 'utf8')) as Bill
const manifestOf = async (place: string) => JSON.parse(await readFile(path.join(place, 'package.json'), 'utf8')) as { name: string; version: string; dependencies?: Readonly<Record<string, string>> }

/** Found without our build: what a bundle of a package's programs takes from node_modules, as name@version. */
async function containedIn(source: string): Promise<readonly string[]> {
  const entryPoints = (programs[source] ?? []).map((program) => path.join(root, source, 'src', program))
  if (entryPoints.length === 0) return []
  const { metafile } = await build({ absWorkingDir: root, entryPoints, outdir: folder, bundle: true, write: false, metafile: true, format: 'esm', platform: 'node', conditions: ['@pilot/source', 'module'], external: [...external, './ssh', './session'], treeShaking: true, minifySyntax: true, logLevel: 'error' })
  const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])))
  const places = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []))
  return (await Promise.all([...places].map((place) => manifestOf(path.join(root, place))))).map(({ name, version }) => `${name}@${version}`)
}

async function pack(source: string): Promise<string> {
  const { stdout } = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], source)
  const answer = JSON.parse(stdout) as { filename: string }[] | Record<string, { filename: string }>
  const [packed] = Object.values(answer)
  if (packed === undefined) throw new Error(`npm pack named no file: ${stdout}`)
  return path.join(folder, path.basename(packed.filename))
}

async function project(name: string, manifest: object): Promise<string> {
  const place = path.join(folder, name)
  await mkdir(place, { recursive: true })
  await writeFile(path.join(place, 'package.json'), JSON.stringify({ name: path.basename(name), private: true, type: 'module', ...manifest }))
  await install(place)
  return place
}

const install = (place: string, specs: readonly string[] = []) => npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...(specs.length > 0 ? ['--no-save', ...specs] : [])], place)
const npm = (args: readonly string[], cwd: string) => run('npm', args, cwd)
const tsc = (place: string) => run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.', '--pretty', 'false'], place)

/** Without what npm and the workspace set: a stranger has none of it. */
async function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<{ stdout: string; stderr: string }> {
  const kept = /^npm_config_(registry|cache|cafile|proxy|https_proxy|userconfig|globalconfig)$/
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name) || !/^(npm_|INIT_CWD$|PILOT_|VITEST|NODE_ENV$|NODE_OPTIONS$)/i.test(name)))
  try {
    return await promisify(execFile)(command, args, { cwd, env: { ...clean, NO_COLOR: '1', ...env }, maxBuffer: 64 << 20 })
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout: string; stderr: string; code: number }
    throw Object.assign(new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`), { stdout, stderr })
  }
}

async function versionOf(name: string): Promise<string> {
  return (JSON.parse(await readFile(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
}

async function filesIn(place: string): Promise<readonly string[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(place, path.join(entry.parentPath, entry.name))).filter((file) => !file.startsWith('node_modules/'))
}
