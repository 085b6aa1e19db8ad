import { expect, test } from 'vitest'
import { startOf } from '../compute/container-start.ts'
import { builderOf, packArguments, packEnvironment, usualBuilder, type PackCommand } from './pack-command.ts'
import { settingsIn } from './pack-home.ts'
import type { BuildMark } from './pack-marks.ts'
import { packError } from './pack-outcome.ts'
import { processesOf } from './pack-processes.ts'
import { findPack, isTooOld } from './pack-program.ts'
import { readDescriptor } from './project-descriptor.ts'

const mark: BuildMark = { repository: 'pilot-1/shop/web', id: 'a1', name: 'pilot-build-a1', caches: { build: 'cache-build', launch: 'cache-launch' }, folder: '/home/pack/builds/a1', env: { PILOT_BUILD_MARK: 'p/pack/a1/' } }
const command: PackCommand = { image: 'pilot-1/shop/web:build-a1', builder: usualBuilder, buildpacks: [], args: {}, settings: {}, mark, address: { url: 'unix:///var/run/docker.sock', via: 'the default socket' }, platform: 'linux' }

test('the command line, whole', () => {
  expect(packArguments({ ...command, buildpacks: ['heroku/nodejs', './own'], args: { BP_NODE_VERSION: '24', EMPTY: '' }, previous: 'pilot-1/shop/web:0' }).join(' ')).toBe(
    'build pilot-1/shop/web:build-a1 --path=. --builder=heroku/builder:24 --buildpack=heroku/nodejs --buildpack=./own --env=BP_NODE_VERSION=24 --env=EMPTY= --pull-policy=if-not-present --docker-host=inherit' +
      ' --cache=type=build;format=volume;name=cache-build --cache=type=launch;format=volume;name=cache-launch --volume=pilot-build-a1:/pilot-build-mark:ro --network=pilot-build-a1 --previous-image=pilot-1/shop/web:0 --no-color',
  )
})

test('an engine in a virtual machine has its socket at the usual place', () => {
  const asks = (changes: Partial<PackCommand>) => packArguments({ ...command, ...changes }).includes('--docker-host=inherit')
  expect([asks({}), asks({ platform: 'darwin' }), asks({ address: { url: 'unix:///x', via: 'Docker Desktop' } }), asks({ address: { url: 'tcp://127.0.0.1:2375', via: 'DOCKER_HOST' } })]).toEqual([true, false, false, false])
})

test('pack gets the environment of its user, the engine that we found, and nothing of Pilot', () => {
  expect(packEnvironment({ own: { HOME: '/root', https_proxy: 'p', PILOT_TOKEN: 'x', DOCKER_CONTEXT: 'other', GONE: undefined }, settings: { dir: '/home/pack/home' }, mark, address: { url: 'tcp://127.0.0.1:2376', via: 'DOCKER_HOST', certificates: '/c' } })).toEqual({
    HOME: '/root', https_proxy: 'p', DOCKER_HOST: 'tcp://127.0.0.1:2376', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/c', PACK_HOME: '/home/pack/home', PACK_VOLUME_KEY: 'pilot-1/shop/web', TMPDIR: '/home/pack/builds/a1/tmp', PILOT_BUILD_MARK: 'p/pack/a1/',
  })
})

test('the builder is of the manifest, else of the source, else of the user, else the usual one', () => {
  const all = { choice: { builder: 'a/manifest' }, descriptor: { builder: 'b/source' }, settings: { defaultBuilder: 'c/user' } }
  expect([builderOf(all), builderOf({ ...all, choice: {} }), builderOf({ ...all, choice: undefined, descriptor: {} }), builderOf({ choice: undefined, descriptor: {}, settings: {} })]).toEqual(['a/manifest', 'b/source', 'c/user', 'heroku/builder:24'])
})

test('what the user told pack counts', () => {
  expect(settingsIn('default-builder-image = "acme/builder"\npull-policy = "never"\n[[trusted-builders]]\nname = "acme/builder"\n')).toEqual({ defaultBuilder: 'acme/builder', pullPolicy: 'never' })
  expect([settingsIn(''), settingsIn('no toml')]).toEqual([{}, {}])
})

test('project.toml in both of its versions', () => {
  expect(readDescriptor('[build]\nbuilder = "a/b"\n', 'x')).toEqual({ builder: 'a/b' })
  expect(readDescriptor('[_]\nschema-version = "0.2"\n[io.buildpacks]\nbuilder = "c/d"\n[[io.buildpacks.group]]\nuri = "./own"\n[[io.buildpacks.group]]\nuri = "https://example.com/x.tgz"\n', 'x')).toEqual({ builder: 'c/d' })
  for (const uri of ['/etc', 'file:///etc/x.tgz', '../x', 'a/../../x', '~/x']) expect(() => readDescriptor(`[[build.buildpacks]]\nuri = "${uri}"\n`, 'shop/web')).toThrow('names a buildpack outside of its source')
})

const label = (...types: string[]) => JSON.stringify({ processes: types.map((type) => ({ type, command: ['x'], direct: true })) })
const withProcfile = (text?: string) => ({ files: text === undefined ? [] : ['Procfile'], text: () => text })

test('what runs of an image, and what is only offered', () => {
  const launcher = ['/cnb/lifecycle/launcher', '--']
  expect(processesOf({ label: label('web', 'task', 'executable-jar'), entrypoint: ['/cnb/process/web'], facts: withProcfile() })).toEqual({ launcher, command: ['/cnb/process/web'], offered: ['task', 'executable-jar'] })
  expect(processesOf({ label: label('web', 'Mail_Worker', 'release'), entrypoint: ['/cnb/process/web'], facts: withProcfile('web: a\nMail_Worker: b\nrelease: c\n') })).toEqual({ launcher, command: ['/cnb/process/web'], processes: { 'mail-worker': ['/cnb/process/Mail_Worker'] }, release: ['/cnb/process/release'], offered: [] })
  // Nothing of it listens, although its image has a process that starts by itself.
  expect(processesOf({ label: label('worker'), entrypoint: ['/cnb/process/worker'], facts: withProcfile('worker: a\n') })).toEqual({ launcher, processes: { worker: ['/cnb/process/worker'] }, offered: [] })
  expect(processesOf({ label: 'no json', entrypoint: ['/cnb/lifecycle/launcher'], facts: withProcfile() })).toEqual({ launcher, offered: [] })
})

test('a command goes through the launcher of its image; what came with the image starts by itself', () => {
  const artifact = { digest: 'd', type: 'image', location: 'l', launcher: ['/l', '--'], command: ['/p/web'], processes: { worker: ['/p/worker'] } } as const
  expect(startOf(artifact, ['node', 'x.js'])).toEqual({ command: ['/l', '--', 'node', 'x.js'], bare: true })
  expect(startOf(artifact, ['/p/worker'])).toEqual({ command: ['/p/worker'], bare: true })
  expect(startOf({ digest: 'd', type: 'image', location: 'l' }, ['node', 'x.js'])).toEqual({ command: ['node', 'x.js'] })
})

test.each([
  ['nothing fits', ['fail: a@1', 'ERROR: failed to build: executing lifecycle: failed with status code: 20'], { code: 'BUILD_FAILED', message: 'No buildpack of b/b fits the source of shop/web' }],
  ['one failed while looking', ['ERROR: failed to build: executing lifecycle: failed with status code: 21'], { code: 'BUILD_FAILED', reason: 'Some of them failed while they looked at it.' }],
  ['one failed while building', ['npm: boom', 'ERROR: failed to build: executing lifecycle: failed with status code: 51'], { code: 'BUILD_FAILED', message: 'A buildpack failed to build shop/web' }],
  ['no builder', [`ERROR: failed to build: failed to fetch builder image 'index.docker.io/b/b': image 'index.docker.io/b/b' does not exist on the daemon: not found`], { code: 'IMAGE_UNAVAILABLE', message: 'shop/web: the image b/b of the buildpacks cannot be had' }],
  ['a full disk', ['ERROR: failed to build: write /x: no space left on device'], { code: 'DISK_FULL' }],
  ['something else', ['ERROR: failed to build: something else'], { code: 'BUILD_FAILED', message: 'The build of shop/web failed', reason: 'something else' }],
])('a failure of pack: %s', (_, log, expected) => expect(packError({ title: 'shop/web', builder: 'b/b', log })).toMatchObject({ ...expected, details: { log } }))

test('pack is another program where it tells no version, and too old before 0.30', async () => {
  expect(await findPack('/nowhere')).toBeUndefined()
  expect(['0.29.0', '0.30.0', '0.40.6', '1.0.0', '0.0.0'].map((version) => isTooOld({ version }))).toEqual([true, false, false, false, false])
})
