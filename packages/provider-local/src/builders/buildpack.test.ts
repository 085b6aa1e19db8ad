import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { ArtifactReference, Builder, BuildpackChoice, PilotError } from '@pilot/core'
import { makeTestBuilder, withoutBuildpacks, type TestBuilder } from '../testing/buildpacks.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from '../testing/local-platform.ts'
import { withoutDocker } from '../testing/needs-docker.ts'

const docker = new Docker()
const web = `require('http').createServer((request, response) => response.end(process.env.WORD)).listen(process.env.PORT)`
const source = { 'package.json': '{}', 'server.js': web }
let missing: string | undefined = withoutDocker
let vendor: TestBuilder
let platform: LocalPlatform
let builder: Builder
const log: string[] = []

beforeAll(async () => {
  missing ??= await withoutBuildpacks()
  if (missing !== undefined) return
  vendor = await makeTestBuilder()
  vi.stubEnv('PACK_HOME', vendor.packHome)
  vi.stubEnv('PATH', `${vendor.path}${delimiter}${process.env['PATH']}`)
  platform = await startLocalPlatform()
  builder = platform.provider.builders.find(({ name }) => name === 'buildpack')!
}, 900_000)
beforeEach(({ skip }) => skip(missing !== undefined, missing))
afterAll(async () => {
  vi.unstubAllEnvs()
  await platform?.stop()
  await vendor?.remove()
})

interface Options {
  readonly name?: string
  readonly args?: Record<string, string>
  readonly signal?: AbortSignal
  readonly buildpacks?: BuildpackChoice
}

const build = (files: Record<string, string>, { name = 'web', args = {}, signal = noSignal(), buildpacks }: Options = {}): Promise<ArtifactReference> => {
  log.length = 0
  const given = sourceOf(files)
  return builder.build({ app: platform.app(name).identity, ...given, facts: { ...given.facts, build: 'buildpack', ...(buildpacks ? { buildpacks } : {}) }, args, signal, log: (line) => log.push(line) })
}
const failure = (work: Promise<unknown>): Promise<PilotError> => work.then(() => expect.unreachable(), (error: PilotError) => error)

/** What pack and we leave on the engine and in the home while a build is on. */
async function leftovers(name: string): Promise<readonly string[]> {
  const repository = `pilot-${platform.platformId.slice(0, 8)}/shop/${name}`
  const marks = (await docker.listVolumes({ filters: { label: [`pilot.build-of=${repository}`] } })).Volumes ?? []
  const containers = (await docker.listContainers({ all: true })).filter(({ Mounts }) => Mounts.some(({ Destination }) => Destination === '/pilot-build-mark') && Mounts.some(({ Name }) => Name?.startsWith(`pilot-cache-pilot-${platform.platformId.slice(0, 8)}-shop-${name}-`)))
  const networks = await docker.listNetworks({ filters: { label: [`pilot.build-of=${repository}`] } })
  const folders = await readdir(join(platform.home.dir, 'pack', 'builds')).catch(() => [])
  const tags = (await docker.listImages({ filters: { reference: [`${repository}:build-*`] } })).flatMap(({ RepoTags }) => RepoTags ?? [])
  return [...marks.map(({ Name }) => Name), ...networks.map(({ Name }) => Name), ...containers.map(({ Names }) => Names[0]!), ...folders, ...tags]
}
const caches = async (name: string): Promise<number> => ((await docker.listVolumes({ filters: { label: [`pilot.build-cache=pilot-${platform.platformId.slice(0, 8)}/shop/${name}`] } })).Volumes ?? []).length

test('fits where the manifest says so, and nowhere else', () => {
  const facts = sourceOf(source).facts
  expect([builder.fits(facts), builder.fits({ ...facts, build: 'Dockerfile' }), builder.fits({ ...facts, build: 'buildpack' })]).toEqual([undefined, undefined, { reason: 'the manifest says buildpack' }])
})

test('an image that answers, with what the buildpacks prepared; the same source gives the same image, and caches go with the last of it', { timeout: 120_000 }, async () => {
  const first = await build(source, { args: { FLAVOUR: 'plain' } })
  expect(first).toEqual({ digest: expect.stringMatching(/^sha256:/), type: 'image', location: expect.stringContaining(`/shop/web:${first.digest.slice(7, 19)}`), ports: [], launcher: ['/cnb/lifecycle/launcher', '--'], command: ['/cnb/process/web'] })
  expect(log).toEqual(expect.arrayContaining([`pack 0.40.6 builds with ${vendor.name}`, 'The files are ./package.json ./server.js', 'FLAVOUR is plain', expect.stringContaining('also has the processes task')]))
  const second = await build(source)
  expect(second.digest).toBe(first.digest)
  expect(log).toContain('the layer is there')
  const other = await build({ ...source, 'more.txt': 'x' })
  expect(other.digest).not.toBe(first.digest)
  expect([await leftovers('web'), await caches('web')]).toEqual([[], 2])

  const { identity, engine } = platform.app('web')
  const compute = platform.provider.compute.container!
  const app = compute.app({ app: identity, hostLabel: 'web.shop' })
  const common = { app: identity, deployment: 'd1', artifact: first, memoryBytes: 256 * 1024 ** 2, cpu: 1, env: {} }
  const deployment = compute.deployment({ ...common, health: defaultHealth, instances: 1, appOutputs: app.outputs })
  const outputs = await engine.apply([...app.resources, ...deployment.resources])
  const { address } = outputs[deployment.resources[0]!.key] as { address: string }
  expect(await (await fetch(address)).text()).toBe('from the buildpack')

  const own = outputs['network']!
  const appOutputs = { network: own['name'], extraHosts: own['extraHosts'] }
  const said: string[] = []
  const command = { ...common, appOutputs, command: ['node', '-p', 'process.env.WORD'], output: (_: string, data: Uint8Array) => void said.push(Buffer.from(data).toString()), signal: noSignal() }
  await compute.run!(command)
  const [instance] = await compute.status({ app: identity, signal: noSignal() })
  await compute.exec!({ ...command, instance: instance!.instance })
  expect(said).toEqual(['from the buildpack\n', 'from the buildpack\n'])

  // A command of the manifest has it too, in place of the process of the image.
  const instead = compute.deployment({ ...common, deployment: 'd2', command: ['node', '-e', web.replace('process.env.WORD', `process.env.WORD + ' instead'`)], health: defaultHealth, instances: 1, appOutputs: app.outputs })
  const replaced = await engine.apply([...app.resources, ...instead.resources])
  expect(await (await fetch((replaced[instead.resources[0]!.key] as { address: string }).address)).text()).toBe('from the buildpack instead')

  await engine.destroy()
  for (const artifact of [first, other]) await builder.remove!(artifact, noSignal())
  expect([await builder.exists(first, noSignal()), await caches('web')]).toEqual([false, 0])
})

test('processes of a Procfile run beside the app, and its release command before', { timeout: 60_000 }, async () => {
  const artifact = await build({ ...source, Procfile: 'web: node server.js\nmail_worker: node work.js\nrelease: node migrate.js\n' }, { name: 'many' })
  expect(artifact).toMatchObject({ command: ['/cnb/process/web'], processes: { 'mail-worker': ['/cnb/process/mail_worker'] }, release: ['/cnb/process/release'] })
  await builder.remove!(artifact, noSignal())
  expect(await caches('many')).toBe(0)
})

test('a source that no buildpack takes, one that a buildpack fails on, and a builder that is not there: each says what to do', { timeout: 60_000 }, async () => {
  expect(await failure(build({ 'notes.txt': '' }, { name: 'none' }))).toMatchObject({ code: 'BUILD_FAILED', message: `No buildpack of ${vendor.name} fits the source of shop/none`, details: { exitCode: 20, log: expect.arrayContaining([expect.stringContaining('fail: pilot/test@0.0.1')]) } })
  expect(await failure(build({ ...source, broken: '' }, { name: 'none' }))).toMatchObject({ code: 'BUILD_FAILED', message: 'A buildpack failed to build shop/none', details: { exitCode: 51, log: expect.arrayContaining(['this source is broken']) } })
  expect(await failure(build(source, { name: 'none', buildpacks: { builder: 'pilot-test/no-such-builder:1' } }))).toMatchObject({ code: 'IMAGE_UNAVAILABLE', message: 'shop/none: the image pilot-test/no-such-builder:1 of the buildpacks cannot be had' })
  expect([await leftovers('none'), await caches('none')]).toEqual([[], 0])
})

test('project.toml counts, and reads nothing of this machine', { timeout: 60_000 }, async () => {
  const descriptor = (text: string) => failure(build({ ...source, 'project.toml': text }, { name: 'descriptor' }))
  expect(await descriptor('[_]\nschema-version = "0.2"\n[io.buildpacks]\nbuilder = "pilot-test/of-the-source:1"\n')).toMatchObject({ message: expect.stringContaining('pilot-test/of-the-source:1') })
  expect(await descriptor('[_]\nschema-version = "0.2"\n[[io.buildpacks.group]]\nuri = "../../secrets"\n')).toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('../../secrets') })
  expect(await descriptor('[io.buildpacks\n')).toMatchObject({ code: 'SOURCE_UNREADABLE' })
})

test('a builder that nobody trusts gets no engine: its phases run apart, with an image that must be had', { timeout: 60_000 }, async () => {
  const stranger = vendor.name.replace('pilot-test/builder', 'pilot-test/stranger')
  const [repo, tag] = stranger.split(':') as [string, string]
  await docker.getImage(vendor.name).tag({ repo, tag })
  try {
    expect(await failure(build(source, { name: 'stranger', buildpacks: { builder: stranger } }))).toMatchObject({ code: 'IMAGE_UNAVAILABLE', suggestion: expect.stringContaining(`pack config trusted-builders add ${stranger}`) })
    const config = join(vendor.packHome, 'config.toml')
    const before = await readFile(config, 'utf8')
    // The same programs from an image that is trusted.
    await writeFile(config, `lifecycle-image = "${vendor.name}"\n${before}`)
    try {
      const artifact = await build(source, { name: 'stranger', buildpacks: { builder: stranger } })
      expect(artifact).toMatchObject({ command: ['/cnb/process/web'] })
      expect((await build(source, { name: 'stranger', buildpacks: { builder: stranger } })).digest).toBe(artifact.digest)
      expect(((await docker.listVolumes()).Volumes ?? []).filter(({ Name }) => Name.startsWith('pack-cache-') && Name.includes('stranger'))).toEqual([])
      await builder.remove!(artifact, noSignal())
    } finally {
      await writeFile(config, before)
    }
    expect([await leftovers('stranger'), await caches('stranger')]).toEqual([[], 0])
  } finally {
    await docker.getImage(stranger).remove({ noprune: true })
  }
})

test('a cancel ends the build with its containers', { timeout: 60_000 }, async () => {
  const controller = new AbortController()
  const building = failure(build({ ...source, slow: '' }, { name: 'slow', signal: controller.signal }))
  await expect.poll(() => log, { timeout: 30_000 }).toContain('hanging on')
  expect((await leftovers('slow')).length).toBeGreaterThan(1)
  controller.abort()
  expect((await building).name).toBe('AbortError')
  expect([await leftovers('slow'), await caches('slow')]).toEqual([[], 0])
})

test('what a killed build has left is gone after the next one', { timeout: 120_000 }, async () => {
  const { dir } = platform.home
  const script = `
    import { connect } from ${JSON.stringify(join(import.meta.dirname, '../connect.ts'))}
    import { sourceOf } from ${JSON.stringify(join(import.meta.dirname, '../testing/local-platform.ts'))}
    const provider = await connect({ platformId: '${platform.platformId}', platformName: 'test', settings: { runtime: 'docker' }, home: '${dir}', secrets: undefined })
    const source = sourceOf({ 'package.json': '{}', slow: '' })
    await provider.builders.find(({ name }) => name === 'buildpack').build({ app: ${JSON.stringify(platform.app('killed').identity)}, ...source, facts: { ...source.facts, build: 'buildpack' }, args: {}, signal: new AbortController().signal, log: console.log })`
  const child = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '--eval', script], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toContain('hanging on')
  } finally {
    child.kill('SIGKILL')
  }
  await ended
  const left = await leftovers('killed')
  expect(left.length).toBeGreaterThan(1)
  const volumes = async () => ((await docker.listContainers({ all: true, filters: { volume: [left[0]!] } })).flatMap(({ Mounts }) => Mounts.flatMap(({ Name }) => Name ?? [])))
  const had = await volumes()
  expect(had.length).toBeGreaterThan(2)
  await failure(build({ 'notes.txt': '' }, { name: 'other' }))
  expect(await leftovers('killed')).toEqual([])
  const now = ((await docker.listVolumes()).Volumes ?? []).map(({ Name }) => Name)
  expect(now.filter((name) => had.includes(name) && name.startsWith('pack-'))).toEqual([])
  // Its caches go with the next thing that asks whether anything of the app is left.
  await failure(build({ 'notes.txt': '' }, { name: 'killed' }))
  expect(await caches('killed')).toBe(0)
})

test('without pack it says how to get it', async () => {
  vi.stubEnv('PATH', process.env['PATH']!.split(delimiter).filter((folder) => folder !== vendor.path).join(delimiter))
  try {
    expect(await failure(build(source))).toMatchObject({ code: 'PACK_UNAVAILABLE', message: 'shop/web is to be built with buildpacks, and `pack` is not installed', suggestion: expect.stringContaining('pack') })
  } finally {
    vi.stubEnv('PATH', `${vendor.path}${delimiter}${process.env['PATH']}`)
  }
})
