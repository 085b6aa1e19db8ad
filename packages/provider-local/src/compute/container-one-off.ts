import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isProcessAlive, PilotError, processIdentity, type CommandTerminal, type Compute, type ExecCall, type ProcessIdentity, type RunCall, type TerminalSize } from '@pilot/core'
import type { Duplex } from 'node:stream'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText, isAbsent, orAbsent } from '../engine/errors.ts'
import { createDemultiplexer } from '../engine/log-stream.ts'
import { descendants } from '../health/listening.ts'
import { envList, hostConfig, imageGone } from '../kinds/container-parts.ts'
import { assertVolumes, giveVolumes } from '../kinds/container-volumes.ts'
import { labels, platformFilter } from '../ownership.ts'
import { entrypoint, startOf } from './container-start.ts'
import { containersOf, instanceName, type OfPlatform } from './container-status.ts'
import { feed } from './feed.ts'

/** After SIGTERM, seconds. */
const graceSeconds = 1
/** What shells say of a command that is not there, and of one that cannot be run. */
const notFound = 127

/** A container of its own in the app's network, which the engine removes when it ends. */
export const containerRun =
  ({ engine, platformId }: OfPlatform): NonNullable<Compute['run']> =>
  async ({ app, artifact, command, env, memoryBytes, cpu, volumes, appOutputs, output, input, tty, signal }: RunCall) => {
    const client = await engine()
    await removeAbandoned(client, platformId)
    signal.throwIfAborted()
    const { network, extraHosts } = appOutputs as { network: string; extraHosts: string[] }
    const mounted = Object.values(volumes ?? {}) as { source: string; path: string }[]
    const settings = { app, image: artifact.digest, network, extraHosts, memoryBytes, cpu, volumes: mounted }
    const start = startOf(artifact, command)
    await assertVolumes(client, mounted)
    const container = await client.docker
      .createContainer({
        name: `pilot-run-${app.app.slice(0, 20)}-${randomBytes(6).toString('hex')}`,
        Image: artifact.digest,
        Cmd: start.command,
        ...entrypoint(start),
        Env: envList({ ...termOf(tty), ...env }),
        Labels: { [labels.platform]: platformId, [labels.project]: app.project, [labels.app]: app.app, [labels.environment]: app.environment, [labels.oneOff]: JSON.stringify(processIdentity(process.pid)) },
        HostConfig: { ...hostConfig(settings, client), AutoRemove: true },
        AttachStdout: true,
        AttachStderr: true,
        AttachStdin: input !== undefined,
        OpenStdin: input !== undefined,
        StdinOnce: true,
        Tty: tty !== undefined,
      })
      .catch((error: unknown) => {
        throw isAbsent(error) ? imageGone(settings, error) : engineError(error, `A container of ${app.project}/${app.app}`)
      })
    const stop = (): void => void container.stop({ t: graceSeconds }).catch(() => {})
    try {
      await giveVolumes(client, { id: container.id, volumes: mounted })
      const stream = (await container.attach({ stream: true, stdout: true, stderr: true, stdin: input !== undefined, hijack: input !== undefined })) as unknown as Duplex
      const ended = container.wait({ condition: 'next-exit' }) as Promise<{ StatusCode: number }>
      ended.catch(() => {})
      const told = follow(stream, { output, tty })
      try {
        await container.start()
      } catch (error) {
        await output('stderr', Buffer.from(`${engineText(error)}\n`))
        return { exitCode: notFound }
      }
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
      followSize(tty, container)
      const fed = feeding(stream, input, stop)
      const { StatusCode } = await ended
      await told
      stream.destroy()
      signal.throwIfAborted()
      fed.throwIfFailed()
      return { exitCode: StatusCode }
    } finally {
      signal.removeEventListener('abort', stop)
      await orAbsent(container.remove({ force: true, v: true })).catch(() => {})
      await untilGone(client, container.id)
    }
  }

/** `docker exec`. The engine ends no command that it started so; this does, as far as its processes can be seen from here. */
export const containerExec =
  (platform: OfPlatform): NonNullable<Compute['exec']> =>
  async ({ app, artifact, instance, command, output, input, tty, signal }: ExecCall) => {
    const { docker } = await platform.engine()
    const found = (await containersOf(platform, app)).find(({ Names }) => instanceName(Names) === instance)
    if (!found) throw new PilotError('NOT_FOUND', `${app.project}/${app.app} has no instance ${instance}`)
    signal.throwIfAborted()
    try {
      const exec = await docker.getContainer(found.Id).exec({
        Cmd: startOf(artifact, command).command,
        AttachStdout: true,
        AttachStderr: true,
        AttachStdin: input !== undefined,
        Tty: tty !== undefined,
        ...(tty ? { Env: envList(termOf(tty)) } : {}),
      })
      const stream = (await exec.start({ hijack: input !== undefined, stdin: input !== undefined, Tty: tty !== undefined })) as Duplex
      const told = follow(stream, { output, tty })
      followSize(tty, exec)
      const { promise: aborted, resolve: stop } = Promise.withResolvers<'stopped'>()
      signal.addEventListener('abort', () => stop('stopped'), { once: true })
      const fed = feeding(stream, input, () => stop('stopped'))
      if (signal.aborted || (await Promise.race([told, aborted])) === 'stopped') {
        await endExec(found.Id, (await exec.inspect()).Pid)
        stream.destroy()
        signal.throwIfAborted()
        fed.throwIfFailed()
      }
      stream.destroy()
      const { ExitCode } = await exec.inspect()
      return { exitCode: ExitCode ?? 1 }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw engineError(error, `A command in ${instance}`)
    }
  }

/** One-off containers whose program was killed: nobody waits for them any more. */
export async function removeAbandoned({ docker }: Engine, platformId: string): Promise<void> {
  const filters = platformFilter(platformId)
  const found = await docker.listContainers({ all: true, filters: { label: [...filters.label, labels.oneOff] } })
  const abandoned = found.filter(({ Labels }) => !isProcessAlive(JSON.parse(Labels[labels.oneOff]!) as ProcessIdentity))
  await Promise.all(abandoned.map(({ Id }) => orAbsent(docker.getContainer(Id).remove({ force: true, v: true })).catch(() => {})))
}

/** With a terminal there is one stream, as it is; without, frames of two. To the end of the stream, however it ends. */
async function follow(stream: Duplex, { output, tty }: Pick<RunCall, 'output' | 'tty'>): Promise<void> {
  const frames = tty === undefined ? createDemultiplexer() : (chunk: Buffer) => [{ stream: 'stdout' as const, text: chunk }]
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      for (const { stream: name, text } of frames(chunk as Buffer)) await output(name, text)
    }
  } catch {
    // The connection to the engine broke: the exit code tells how the command ended.
  }
}

/** An input that breaks ends the command: what it has read is not the whole. */
function feeding(stream: Duplex, input: RunCall['input'], stop: () => void): { throwIfFailed(): void } {
  let failure: { readonly error: unknown } | undefined
  stream.on('error', () => {})
  if (input) {
    feed(input, stream).catch((error: unknown) => {
      failure = { error }
      stop()
    })
  }
  return {
    throwIfFailed: () => {
      if (failure) throw failure.error
    },
  }
}

/** The engine takes a size only from the moment that the command runs; one that ended meanwhile has none. */
function followSize(tty: CommandTerminal | undefined, of: { resize(size: { h: number; w: number }): Promise<unknown> }): void {
  if (tty === undefined) return
  const resize = ({ columns, rows }: TerminalSize): void => void of.resize({ h: rows, w: columns }).catch(() => {})
  resize(tty)
  tty.onResize(resize)
}

const termOf = (tty: CommandTerminal | undefined): Record<string, string> => (tty ? { TERM: tty.term } : {})

/** Only processes that are in the container's group: an engine in a virtual machine counts its own. */
async function endExec(container: string, pid: number): Promise<void> {
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
  if (!pid || !groups.includes(container)) return
  const all = await descendants(pid)
  const send = (name: NodeJS.Signals): void => {
    for (const each of all) {
      try {
        process.kill(each, name)
      } catch {
        // Gone already, or not ours to signal.
      }
    }
  }
  send('SIGTERM')
  for (let waited = 0; waited < graceSeconds * 1000 && (await isThere(pid)); waited += 50) await sleep(50)
  send('SIGKILL')
}

const isThere = (pid: number): Promise<boolean> => readFile(`/proc/${pid}/stat`, 'utf8').then((stat) => !/\) Z /.test(stat), () => false)

async function untilGone({ docker }: Engine, id: string): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    if ((await orAbsent(docker.getContainer(id).inspect()).catch(() => undefined)) === undefined) return
    await sleep(50)
  }
}
