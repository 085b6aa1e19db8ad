import { randomBytes, randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import Docker from 'dockerode'
import { afterAll, expect, test } from 'vitest'
import type { Builder, PilotError } from '@pilot/core'
import { ensureBaseImages } from '../../../../e2e/environments/docker-base-images.ts'
import { lazyEngine } from '../engine/engine.ts'
import { noSignal, sourceOf } from '../testing/local-platform.ts'
import { findBuildx } from './buildx.ts'
import { dockerfileBuilder } from './dockerfile.ts'
import { beforeAllWithDocker, withoutDocker } from '../testing/needs-docker.ts'

const platformId = randomBytes(16).toString('hex')
const docker = new Docker()
const app = { project: 'shop', app: 'built', environment: 'production' }
let builder: Builder
const log: string[] = []

beforeAllWithDocker(async () => {
  await ensureBaseImages(['busybox:latest'])
  builder = dockerfileBuilder({ engine: lazyEngine(), platformId })
})
afterAll(async () => {
  if (withoutDocker !== undefined) return
  for (const { Id } of await docker.listImages({ filters: { reference: [`pilot-${platformId.slice(0, 8)}/*/*`] } })) await docker.getImage(Id).remove({ force: true })
})

const build = (dockerfile: string, { args = {}, signal = noSignal(), files = {}, path = 'Dockerfile' }: { args?: Record<string, string>; signal?: AbortSignal; files?: Record<string, string>; path?: string } = {}) => {
  log.length = 0
  const source = sourceOf({ ...files, [path]: dockerfile })
  return builder.build({ app, ...source, facts: { ...source.facts, ...(path === 'Dockerfile' ? {} : { build: path }) }, args, signal, log: (line) => log.push(line) })
}
const failure = (work: Promise<unknown>): Promise<PilotError> => work.then(() => expect.unreachable(), (error: PilotError) => error)

test('an artifact is the image id, under a name that carries the platform, with ports and command', async () => {
  const word = randomBytes(4).toString('hex')
  const artifact = await build('FROM busybox:latest\nARG WORD\nCOPY . /srv\nRUN echo "word $WORD"\nEXPOSE 8000/tcp 9000/udp\nENTRYPOINT ["httpd"]\nCMD ["-f", "-p", "8000"]\n', { args: { WORD: word }, files: { 'index.html': 'hi' } })
  expect(artifact).toEqual({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), type: 'image', location: `pilot-${platformId.slice(0, 8)}/shop/built:${artifact.digest.slice(7, 19)}`, ports: [8000], command: ['httpd', '-f', '-p', '8000'] })
  expect(log).toContain(`word ${word}`)
  const { Id, RepoTags } = await docker.getImage(artifact.location).inspect()
  expect([Id, RepoTags]).toEqual([artifact.digest, [artifact.location]])

  expect(await builder.exists(artifact, noSignal())).toBe(true)
  await builder.remove!(artifact, noSignal())
  await builder.remove!(artifact, noSignal())
  expect(await builder.exists(artifact, noSignal())).toBe(false)
})

test('deleting an artifact takes all of it, and leaves what runs another one of the app', async () => {
  const mark = randomBytes(4).toString('hex')
  const [old, live] = [await build(`FROM busybox:latest\nENV MARK=${mark}\nRUN echo old > /word\nCMD ["cat", "/word"]\n`), await build(`FROM busybox:latest\nENV MARK=${mark}\nRUN echo live > /word\nCMD ["sleep", "600"]\n`)]
  const base = (await docker.getImage('busybox:latest').inspect()).Id
  const layersOf = async (location: string): Promise<readonly string[]> => ((await docker.getImage(location).history()) as { Id: string }[]).map(({ Id }) => Id).filter((id) => id.startsWith('sha256:') && id !== base)
  const [ofOld, ofLive] = [await layersOf(old.location), await layersOf(live.location)]
  const container = await docker.createContainer({ Image: live.location, HostConfig: { NetworkMode: 'none' } })
  try {
    await container.start()
    await builder.remove!(old, noSignal())
    expect(await builder.exists(old, noSignal())).toBe(false)
    for (const id of ofOld) expect(await docker.getImage(id).inspect().then(() => true, () => false), id).toBe(ofLive.includes(id))
    expect([await builder.exists(live, noSignal()), (await container.inspect()).State.Running]).toEqual([true, true])
    // What runs is never taken away, whoever asks for it.
    await expect(builder.remove!(live, noSignal())).rejects.toThrow(/image/i)
    expect((await docker.getImage(live.location).inspect()).Id).toBe(live.digest)
  } finally {
    await container.remove({ force: true })
  }
  await builder.remove!(live, noSignal())
  for (const id of ofLive) expect(await docker.getImage(id).inspect().then(() => true, () => false), id).toBe(false)
})

test('a failed command is told with its exit code and the last lines', async () => {
  const error = await failure(build('FROM busybox:latest\nRUN echo before && exit 3\n'))
  expect(error).toMatchObject({ code: 'BUILD_FAILED', message: expect.stringContaining('shop/built'), reason: expect.stringContaining('exit code 3'), details: { exitCode: 3, log: expect.arrayContaining([expect.stringMatching(/before$/)]) } })
})

test('a base image that cannot be had is named', async () => {
  const error = await failure(build(`FROM pilot-test/no-such-image:1\nRUN true\n`))
  expect(error).toMatchObject({ code: 'BUILD_FAILED', message: expect.stringContaining('pilot-test/no-such-image'), suggestion: expect.stringContaining('docker login') })
})

test('a Dockerfile that is not in the source is named', async () => {
  const source = sourceOf({ 'index.html': '' })
  const error = await failure(builder.build({ app, ...source, facts: { ...source.facts, build: 'docker/Dockerfile.prod' }, args: {}, signal: noSignal(), log: () => {} }))
  expect(error).toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('docker/Dockerfile.prod') })
})

test('a Dockerfile elsewhere is used when the manifest names it', async () => {
  const word = randomBytes(4).toString('hex')
  await build(`FROM busybox:latest\nRUN echo ${word} from elsewhere\n`, { path: 'docker/app.Dockerfile' })
  expect(log).toContain(`${word} from elsewhere`)
})

test('a cancel ends the build and what it runs', async ({ skip }) => {
  skip(process.platform !== 'linux', 'this needs Linux: elsewhere what a build runs is in a virtual machine')
  const controller = new AbortController()
  const mark = String(randomInt(1_000_000, 9_999_999))
  const building = failure(build(`FROM busybox:latest\nRUN echo ${mark} && sleep ${mark}\n`, { signal: controller.signal }))
  // Both builders run their steps as processes of this machine, the one of them without a container that could be listed.
  const running = async (): Promise<boolean> => {
    const commands = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
    return commands.some((command) => /^sleep.|&& sleep /.test(command) && command.includes(mark))
  }
  while (!log.includes(mark)) await new Promise((resolve) => setTimeout(resolve, 20))
  await expect.poll(running, { timeout: 10_000 }).toBe(true)
  controller.abort()
  expect((await building).name).toBe('AbortError')
  await expect.poll(running, { timeout: 15_000 }).toBe(false)
})

test('what only buildx can do fails before the build starts, with line and feature', async ({ skip }) => {
  if (await findBuildx()) skip('buildx is installed here')
  const error = await failure(build('FROM busybox:latest\n\nRUN --mount=type=cache,target=/root/.npm true\n'))
  expect(error).toMatchObject({ code: 'BUILDER_LACKS', message: expect.stringContaining('line 3 has RUN --mount'), details: { lacks: [{ line: 3, feature: 'RUN --mount' }] } })
  expect(log).toEqual([])
})
