import { mkdir, open, readdir, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AppIdentity } from '@pilot/core'
import { besideLog, noteLastWrite, readKeptLog, type Home, type LogLimits } from '@pilot/host'
import type { SourceLine } from './merge-lines.ts'

/**
 * The logs of instances that have ended, of processes and of containers: one file each, in a folder per app, in the form of a
 * kept log. They stay together within the same limits as those of the instances that run, and go with the app.
 */
export interface EndedLog {
  readonly file: string
  readonly deployment: string
  readonly instance: string
  readonly process?: string
}

/** Of all instances of an app that run, and of all that have ended: together 100 MB. */
export const logLimits: LogLimits = { bytes: 50 * 1024 ** 2, ms: 7 * 24 * 3600_000 }

/** Of one instance; little enough is kept of each to be worth a look. */
export const logLimitsOf = (share = 1): LogLimits => ({ ...logLimits, bytes: Math.max(1024 ** 2, Math.floor(logLimits.bytes * share)) })

interface Place {
  readonly home: Home
  readonly platformId: string
  readonly app: AppIdentity
}

interface Ended {
  readonly deployment: string
  readonly instance: string
  readonly process?: string | undefined
}

const suffix = '.log'
const folderOf = ({ home, platformId, app: { project, app, environment } }: Place): string => join(home.paths.logs, 'ended', platformId, project, app, environment)

/** Without those that are too old: their time may have come while nothing else ended. */
export async function freshEndedLogs(place: Place): Promise<readonly EndedLog[]> {
  await dropOld(place)
  return endedLogs(place)
}

/** Newest last. */
export async function endedLogs(place: Place): Promise<readonly EndedLog[]> {
  const folder = folderOf(place)
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(suffix)).sort()
  return names.flatMap((name) => {
    const [, deployment, process, instance] = name.slice(0, -suffix.length).split('~')
    return deployment === undefined || instance === undefined ? [] : [{ file: join(folder, name), deployment, instance, ...(process ? { process } : {}) }]
  })
}

/** Lines of one, for a reader who has seen none of them. */
export async function* endedLines({ file, deployment, instance, process }: EndedLog, { since, until, tail }: { readonly since?: string | undefined; readonly until?: string | undefined; readonly tail?: number | undefined }): AsyncGenerator<SourceLine> {
  const range = { ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since: Date.parse(since) }), ...(until === undefined ? {} : { until: Date.parse(until) }) }
  for await (const { text, at, isNote } of readKeptLog(file, range)) yield { deployment, instance, ...(process === undefined ? {} : { process }), stream: isNote ? 'pilot' : 'stdout', ...(at === undefined ? {} : { at: new Date(at).toISOString() }), text }
}

/** Of a process that is gone: its files are moved here. That its log cannot be kept keeps nobody from deleting it. */
export async function keepProcessLog(place: Place, ended: Ended, logFile: string): Promise<void> {
  await attempt(place, ended, async (file) => {
    noteLastWrite(logFile)
    await rename(logFile, file)
    const [from, to] = [besideLog(logFile), besideLog(file)]
    for (const each of ['facts', 'times', 'previous'] as const) await rename(from[each], to[each]).catch(() => {})
  })
}

/** Of a container that has ended: what is left of its log is copied. */
export async function keepContainerLog(place: Place, ended: Ended, lines: AsyncIterable<SourceLine>): Promise<void> {
  await attempt(place, ended, async (file) => {
    const handle = await open(file, 'wx', 0o600)
    const pairs: number[] = []
    let bytes = 0
    let second = 0
    try {
      let chunk = ''
      const write = async (): Promise<void> => {
        await handle.write(chunk)
        chunk = ''
      }
      for await (const { text, at } of lines) {
        const ms = Date.parse(at ?? '')
        // All before this place was written by the second before.
        if (ms - second >= 1000) pairs.push(...(second === 0 ? [] : [bytes, second]))
        if (ms - second >= 1000) second = ms
        const line = `${text}\n`
        bytes += Buffer.byteLength(line)
        chunk += line
        if (chunk.length > 256 * 1024) await write()
      }
      await write()
    } finally {
      await handle.close()
    }
    if (bytes === 0) return await rm(file)
    const times = await open(besideLog(file).times, 'w', 0o600)
    await times.write(new Uint8Array(Float64Array.from([...pairs, bytes, second]).buffer)).finally(() => times.close())
  })
}

/** With the app. */
export async function forgetEndedLogs(home: Home, { platformId, scope }: { readonly platformId: string; readonly scope: string }): Promise<void> {
  const [kind, project, app, environment] = scope.split('/')
  if (kind !== 'app' || project === undefined || app === undefined || environment === undefined) return
  const folder = folderOf({ home, platformId, app: { project, app, environment } })
  await rm(folder, { recursive: true, force: true })
  // Folders above that hold nothing any more.
  for (let up = dirname(folder), left = 4; left > 0; up = dirname(up), left--) if (!(await rmdir(up).then(() => true, () => false))) break
}

async function attempt(place: Place, { deployment, instance, process = '' }: Ended, keep: (file: string) => Promise<void>): Promise<void> {
  const folder = folderOf(place)
  const file = join(folder, `${String(Date.now()).padStart(14, '0')}~${deployment}~${process}~${instance}${suffix}`)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await keep(file)
    await utimes(file, new Date(), new Date()).catch(() => {})
    await dropOld(place)
  } catch {
    await Promise.all(Object.values({ file, ...besideLog(file) }).map((each) => rm(each, { force: true }).catch(() => {})))
  }
}

/** The oldest go first. */
async function dropOld(place: Place): Promise<void> {
  let bytes = 0
  for (const { file } of (await endedLogs(place)).toReversed()) {
    const paths = Object.values({ file, ...besideLog(file) })
    const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)))
    bytes += found.reduce((sum, each) => sum + (each?.blocks ?? 0) * 512, 0)
    if (bytes > logLimits.bytes || Date.now() - (found[0]?.mtimeMs ?? 0) > logLimits.ms) await Promise.all(paths.map((path) => rm(path, { force: true })))
  }
}
