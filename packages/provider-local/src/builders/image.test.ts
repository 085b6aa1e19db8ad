import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import Docker from 'dockerode'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import type { ArtifactReference, Builder, PilotError } from '@pilot/core'
import { startRegistry, type Registry } from '../../../../e2e/environments/registry.ts'
import { lazyEngine } from '../engine/engine.ts'
import { noSignal } from '../testing/local-platform.ts'
import { beforeAllWithDocker, withoutDocker } from '../testing/needs-docker.ts'
import { imageBuilder } from './image.ts'

const platformId = randomBytes(16).toString('hex')
const docker = new Docker()
const app = { project: 'shop', app: 'page', environment: 'production' }
const closing: AsyncDisposable[] = []
let builder: Builder
let log: string[] = []

beforeAllWithDocker(async () => {
  builder = imageBuilder({ engine: lazyEngine(), platformId })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const each of closing.splice(0)) await each[Symbol.asyncDispose]()
})
afterAll(async () => {
  if (withoutDocker !== undefined) return
  for (const { Id } of await docker.listImages({ filters: { reference: [`pilot-${platformId.slice(0, 8)}/*/*`] } })) await docker.getImage(Id).remove({ force: true })
})

const build = (image: string, signal = noSignal()): Promise<ArtifactReference> => {
  log = []
  return builder.build({ app, openSource: () => expect.unreachable(), sourceDigest: `sha256:${'0'.repeat(64)}`, facts: { files: [], text: () => undefined, image }, args: {}, signal, log: (line) => log.push(line) })
}
const failure = (work: Promise<unknown>): Promise<PilotError> => work.then(() => expect.unreachable(), (error: PilotError) => error)
const isThere = (image: string): Promise<boolean> => docker.getImage(image).inspect().then(() => true, () => false)
const word = (): string => randomBytes(6).toString('hex')

async function registry(options?: Parameters<typeof startRegistry>[0]): Promise<Registry> {
  const started = await startRegistry(options)
  closing.push(started)
  return started
}

/** What `docker login` writes. */
async function loggedIn(registry: string, { username, password }: { username: string; password: string }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pilot-login-'))
  closing.push({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } } }))
  vi.stubEnv('DOCKER_CONFIG', folder)
}

test('a digest is pulled, kept under a name of ours, and deleted without a trace', async () => {
  const there = await registry()
  const digest = await there.put({ name: 'acme/page', tag: '1', text: word() })
  const image = `${there.host}/acme/page@${digest}`
  const artifact = await build(image)
  expect(artifact).toEqual({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), type: 'image', location: `pilot-${platformId.slice(0, 8)}/shop/page:${artifact.digest.slice(7, 19)}`, origin: image, ports: [8080], command: ['/bin/busybox', 'httpd', '-f', '-p', '8080', '-h', '/www'] })
  expect(log[0]).toBe(`Pulling ${image}`)
  expect((await docker.getImage(artifact.location).inspect()).RepoTags).toEqual([artifact.location])
  await builder.remove!(artifact, noSignal())
  expect([await builder.exists(artifact, noSignal()), await isThere(artifact.digest)]).toEqual([false, false])
})

test('a tag is asked for each time, and tells the digest that it meant', async () => {
  const there = await registry()
  const facts = { files: [], text: () => undefined }
  expect([builder.moves!({ ...facts, image: 'redis:7' }), builder.moves!({ ...facts, image: 'redis' }), builder.moves!({ ...facts, image: `redis:7@sha256:${'a'.repeat(64)}` })]).toEqual([true, true, false])
  const first = await there.put({ name: 'page', tag: 'latest', text: word() })
  const [one, again] = [await build(`${there.host}/page`), await build(`${there.host}/page`)]
  expect([one.origin, again]).toEqual([`${there.host}/page@${first}`, one])
  const second = await there.put({ name: 'page', tag: 'latest', text: word() })
  const moved = await build(`${there.host}/page`)
  expect([moved.origin, moved.digest === one.digest]).toEqual([`${there.host}/page@${second}`, false])
  expect(await builder.exists(one, noSignal())).toBe(true)
})

test('several builds of one image at once are all served', async () => {
  const there = await registry()
  await there.put({ name: 'page', tag: '1', text: word() })
  const made = await Promise.all(Array.from({ length: 4 }, () => build(`${there.host}/page:1`)))
  expect(new Set(made.map(({ digest }) => digest)).size).toBe(1)
})

test('an image of this machine is used without asking anybody, and keeps its name', async () => {
  const name = `pilot-test/${word()}`
  const id = await loadedImage(`${name}:2`)
  try {
    const artifact = await build(`${name}:2`)
    expect([artifact.digest, artifact.origin, log]).toEqual([id, undefined, [`${name}:2 is on this machine: ${id}`]])
    await builder.remove!(artifact, noSignal())
    expect(await isThere(`${name}:2`)).toBe(true)
  } finally {
    await docker.getImage(`${name}:2`).remove({ force: true })
  }
})

test('an image for another architecture is refused before anything is started, from here and from a registry', async () => {
  const there = await registry()
  const foreign = process.arch === 'x64' ? 'arm64' : 'amd64'
  await there.put({ name: 'page', tag: 'foreign', text: word(), architecture: foreign })
  const pulled = await failure(build(`${there.host}/page:foreign`))
  expect(pulled).toMatchObject({ code: 'WRONG_ARCHITECTURE', message: 'The image of shop/page is for another kind of machine', reason: expect.stringContaining(`linux/${foreign}`) })
  expect(await isThere(`${there.host}/page:foreign`)).toBe(false)

  const name = `pilot-test/${word()}:1`
  await loadedImage(name, { architecture: foreign })
  try {
    expect(await failure(build(name))).toMatchObject({ code: 'WRONG_ARCHITECTURE' })
  } finally {
    await docker.getImage(name).remove({ force: true })
  }
})

test('what is not in the registry is told so', async () => {
  const there = await registry()
  await there.put({ name: 'page', tag: '1', text: word() })
  expect(await failure(build(`${there.host}/page:2`))).toMatchObject({ code: 'IMAGE_UNAVAILABLE', message: `The image ${there.host}/page:2 of shop/page is not in ${there.host}`, details: { image: `${there.host}/page:2` } })
  expect(await failure(build(`${there.host}/page@sha256:${'0'.repeat(64)}`))).toMatchObject({ code: 'IMAGE_UNAVAILABLE' })
})

test('a private image is pulled with the login of the user, and refused without one', async () => {
  const login = { username: 'ada', password: `${word()}:with:colons` }
  const there = await registry({ login })
  await there.put({ name: 'page', tag: '1', text: word() })
  const refused = await failure(build(`${there.host}/page:1`))
  expect(refused).toMatchObject({ code: 'IMAGE_UNAVAILABLE', message: `The image ${there.host}/page:1 of shop/page is refused by ${there.host}`, suggestion: expect.stringContaining(`docker login ${there.host}`) })

  await loggedIn(there.host, login)
  expect((await build(`${there.host}/page:1`)).origin).toContain(`${there.host}/page@sha256:`)
  await loggedIn(there.host, { ...login, password: 'wrong-word' })
  const wrong = await failure(build(`${there.host}/page:1`))
  expect([wrong.code, wrong.suggestion?.includes('another one'), JSON.stringify(wrong.details) + wrong.reason + log.join()]).toEqual(['IMAGE_UNAVAILABLE', true, expect.not.stringContaining('wrong-word')])
})

test('content that is not what its digest says is not used', async () => {
  const there = await registry()
  const digest = await there.put({ name: 'page', tag: '1', text: word() })
  there.damage(digest)
  expect(await failure(build(`${there.host}/page@${digest}`))).toMatchObject({ code: 'IMAGE_UNAVAILABLE', message: expect.stringContaining('is not what its digest says') })
})

test('a registry that does not answer is named', async () => {
  const gone = await startRegistry()
  await gone[Symbol.asyncDispose]()
  expect(await failure(build(`${gone.host}/page:1`))).toMatchObject({ code: 'IMAGE_UNAVAILABLE', message: expect.stringContaining(`${gone.host} does not answer`), reason: expect.stringContaining('refused') })
})

test('a cancelled pull ends', async () => {
  const there = await registry()
  await there.put({ name: 'page', tag: '1', text: word() })
  const controller = new AbortController()
  const pulling = failure(build(`${there.host}/page:1`, controller.signal))
  controller.abort()
  expect((await pulling).name).toBe('AbortError')
})

/** An image of one file, as `docker save` writes it; returns its id. */
async function loadedImage(name: string, { architecture = process.arch === 'x64' ? 'amd64' : process.arch } = {}): Promise<string> {
  const layer = await tarOf({ word: word() })
  const config = JSON.stringify({ architecture, os: 'linux', config: { Cmd: ['/word'] }, rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] } })
  const saved = await tarOf({ 'config.json': config, 'layer.tar': layer, 'manifest.json': JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]) })
  const response = await docker.loadImage(Readable.from([saved]))
  await new Promise<void>((resolve, reject) => docker.modem.followProgress(response, (error: Error | null) => (error ? reject(error) : resolve())))
  return (await docker.getImage(name).inspect()).Id
}

function tarOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content)
  tar.finalize()
  return buffer(tar as unknown as NodeJS.ReadableStream)
}
