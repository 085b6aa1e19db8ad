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

export function openLogWriter({ path, prefix = '', redact }: { readonly path: string; readonly prefix?: string; readonly redact: (text: string) => string }): LogWriter {
  let waiting = ''
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    while (waiting !== '') {
      const chunk = waiting
      waiting = ''
      await appendFile(path, chunk, { mode: 0o600 })
    }
  }

  return {
    line(text) {
      waiting += redact(text)
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${prefix}${line}\n`)
        .join('')
      // A full disk must not fail the operation: what could not be written is lost.
      writing ??= write().catch(() => {}).finally(() => (writing = undefined))
    },
    async flush() {
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
