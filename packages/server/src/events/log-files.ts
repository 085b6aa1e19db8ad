import { createReadStream } from 'node:fs'
import { appendFile, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Build output and what else an operation says line by line: one file per operation, read by byte offset. */
export const operationLogPath = (logsFolder: string, operation: string): string => join(logsFolder, 'operations', `${operation}.log`)

export interface LogWriter {
  /** Lines are written in their order, whole; several writers of one file mix by lines. */
  line(text: string): void
  flush(): Promise<void>
}

/** Of one job. Past it only the last lines are kept, and stand at the end with the number of those between. */
const maxLogBytes = 16 * 1024 ** 2
const keptLines = 200

export function openLogWriter({ path, prefix = '', redact, maxBytes = maxLogBytes }: { readonly path: string; readonly prefix?: string; readonly redact: (text: string) => string; readonly maxBytes?: number }): LogWriter {
  let waiting = ''
  let bytes = 0
  let leftOut = 0
  const last: string[] = []
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    while (waiting !== '') {
      const chunk = waiting
      waiting = ''
      await appendFile(path, chunk, { mode: 0o600 })
    }
  }

  function add(line: string): void {
    bytes += Buffer.byteLength(line)
    if (bytes <= maxBytes) return put(line)
    last.push(line)
    if (last.length <= keptLines) return
    last.shift()
    leftOut++
  }

  function put(text: string): void {
    waiting += text
    // A full disk must not fail the operation: what could not be written is lost.
    writing ??= write().catch(() => {}).finally(() => (writing = undefined))
  }

  return {
    line(text) {
      for (const line of redact(text).replace(/\n$/, '').split('\n')) add(`${prefix}${line}\n`)
    },
    async flush() {
      if (last.length > 0) {
        if (leftOut > 0) put(`${prefix}… ${leftOut} lines left out: the log of a job is kept up to ${Math.round(maxBytes / 1024 ** 2)} MB\n`)
        put(last.join(''))
        last.length = leftOut = 0
      }
      while (writing !== undefined) await writing
    },
  }
}

/** How often a followed file is looked at. Only while somebody follows it. */
const lookMs = 150

/** Bytes from `offset` on; with `isFinished`, goes on until that says so and the end of the file is reached. */
export async function* readLogFile({ path, offset, isFinished, signal }: { path: string; offset: number; isFinished?: () => Promise<boolean>; signal: AbortSignal }): AsyncGenerator<Buffer> {
  let position = offset
  for (;;) {
    const finished = isFinished === undefined || (await isFinished())
    const size = await sizeOf(path)
    if (size > position) {
      for await (const chunk of createReadStream(path, { start: position, end: size - 1 })) {
        position += (chunk as Buffer).byteLength
        yield chunk as Buffer
      }
    }
    if (finished || signal.aborted) return
    await sleep(lookMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch {
    return 0
  }
}
