import { appendFile, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'

/** What one run printed: one file per run, the beginning and the end of what is long. */
export const runLogPath = (logsFolder: string, run: string): string => join(logsFolder, 'runs', `${run}.log`)

export const removeRunLogs = (logsFolder: string, runs: readonly string[]): Promise<unknown> => Promise.all(runs.map((run) => rm(runLogPath(logsFolder, run), { force: true })))

const headBytes = 192 * 1024
const tailBytes = 64 * 1024
/** A line longer than this is written in parts. */
const lineBytes = 32 * 1024

export interface RunLog {
  write(stream: 'stdout' | 'stderr', data: Uint8Array): void
  /** Writes what is left. The last lines, for an error. */
  close(): Promise<readonly string[]>
}

/** Both streams in their order, line by line, since secrets are found in whole lines. */
export function openRunLog({ path, redact }: { readonly path: string; readonly redact: (text: string) => string }): RunLog {
  const open = { stdout: { decoder: new StringDecoder('utf8'), text: '' }, stderr: { decoder: new StringDecoder('utf8'), text: '' } }
  let written = 0
  let leftOut = 0
  let tail: string[] = []
  let tailSize = 0
  let last: string[] = []
  let writing: Promise<unknown> = mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(() => {})

  // A full disk must not fail the run: what could not be written is lost.
  const append = (text: string): void => void (writing = writing.then(() => appendFile(path, text, { mode: 0o600 })).catch(() => {}))

  function line(text: string): void {
    const redacted = redact(text)
    last = [...last.slice(-9), redacted.replace(/\r?\n$/, '').slice(0, 1000)]
    const bytes = Buffer.byteLength(redacted)
    if (written + bytes <= headBytes && leftOut === 0 && tail.length === 0) {
      written += bytes
      return append(redacted)
    }
    tail.push(redacted)
    tailSize += bytes
    while (tailSize > tailBytes && tail.length > 1) {
      const gone = Buffer.byteLength(tail.shift()!)
      tailSize -= gone
      leftOut += gone
    }
  }

  return {
    write(stream, data) {
      const part = open[stream]
      part.text += part.decoder.write(Buffer.from(data))
      const lines = part.text.split(/(?<=\n)/)
      part.text = lines.at(-1)!.endsWith('\n') || lines.at(-1)!.length > lineBytes ? '' : lines.pop()!
      lines.filter((text) => text !== '').forEach(line)
    },
    async close() {
      for (const { decoder, text } of Object.values(open)) if (text + decoder.end() !== '') line(`${text}\n`)
      if (leftOut > 0) append(`… ${leftOut} bytes left out …\n`)
      if (tail.length > 0) append(tail.join(''))
      tail = []
      await writing
      return last
    },
  }
}
