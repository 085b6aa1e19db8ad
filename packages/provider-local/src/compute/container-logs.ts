import type { LogCall, LogLine } from '@pilot/core'
import type { Engine } from '../engine/engine.ts'
import { createDemultiplexer } from '../engine/log-stream.ts'
import { orAbsent } from '../engine/errors.ts'
import { labels } from '../ownership.ts'
import { pause } from './pause.ts'
import { containersOf, instanceName, processOf, type OfPlatform } from './container-status.ts'

export interface ContainerSource {
  readonly id: string
  readonly deployment: string
  readonly instance: string
  readonly process?: string
}

/** How often a follower looks for lines and containers that are new. */
const pollMs = 500

/**
 * Lines of all containers of the app in the order of their time. The cursor is the time of the last line, which Docker gives
 * in nanoseconds. Following asks again instead of holding a stream per container: containers come and go with each release.
 */
export async function* containerLogs(platform: OfPlatform, { app, deployments, tail = 100, follow = false, cursor, signal }: LogCall): AsyncIterable<LogLine> {
  const { docker } = await platform.engine()
  let since = cursor
  for (let first = true; ; first = false) {
    const sources = (await containersOf(platform, app))
      .map(({ Id, Labels, Names }): ContainerSource => ({ id: Id, deployment: Labels[labels.deployment]!, instance: instanceName(Names), ...processOf(Labels) }))
      .filter(({ deployment }) => !deployments || deployments.includes(deployment))
    const read = await Promise.all(sources.map((source) => readContainerLines(docker, { source, since, tail: first && !cursor ? tail : undefined })))
    const lines = read.flat().sort((a, b) => (a.cursor < b.cursor ? -1 : a.cursor > b.cursor ? 1 : 0))
    const wanted = first && !cursor ? lines.slice(-tail) : lines
    for (const line of wanted) {
      if (signal.aborted) return
      yield line
      since = line.cursor
    }
    if (!follow || signal.aborted) return
    await pause(pollMs, signal)
    if (signal.aborted) return
    since ??= new Date(Date.now() - 1000).toISOString()
  }
}

/** Lines after `since`, which is the cursor of an earlier one. */
export async function readContainerLines(docker: Engine['docker'], { source, since, tail }: { source: ContainerSource; since: string | undefined; tail: number | undefined }): Promise<readonly LogLine[]> {
  const raw = await orAbsent(docker.getContainer(source.id).logs({ stdout: true, stderr: true, timestamps: true, follow: false, ...(since ? { since: unixTime(since) as never } : {}), ...(tail === undefined ? {} : { tail }) }))
  if (!raw) return []
  const frames = createDemultiplexer()(Buffer.isBuffer(raw) ? raw : Buffer.from(raw))
  // A frame holds one line, or a part of a long one: each part begins with a time of its own.
  return frames.flatMap(({ stream, text }) =>
    text
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): LogLine => {
        const space = line.indexOf(' ')
        const at = comparable(line.slice(0, space))
        return { deployment: source.deployment, instance: source.instance, ...(source.process === undefined ? {} : { process: source.process }), stream, at, text: line.slice(space + 1).replace(/\r$/, ''), cursor: at }
      })
      .filter(({ cursor }) => since === undefined || cursor > comparable(since)),
  )
}

/** Docker leaves out zeros at the end of a fraction; with all nine digits times compare as text. */
function comparable(time: string): string {
  const [seconds = '', fraction = ''] = time.replace('Z', '').split('.')
  return `${seconds}.${fraction.padEnd(9, '0')}Z`
}

/** `1699999999.123456789`, which keeps the nanoseconds that a number would lose. */
function unixTime(time: string): string {
  const [seconds = '', fraction = '0'] = comparable(time).replace('Z', '').split('.')
  return `${Math.floor(Date.parse(`${seconds}Z`) / 1000)}.${fraction}`
}
