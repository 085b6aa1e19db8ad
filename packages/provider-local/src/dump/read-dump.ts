import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { PilotError } from '@pilot/core'

/** A piece of a dump: statements, or a COPY with the rows that follow it, which must be read before the next piece. */
export type DumpSection = { readonly type: 'sql'; readonly text: string } | { readonly type: 'copy'; readonly statement: string; readonly rows: AsyncIterable<Buffer> }

/** Reads what `writeDump` wrote, piece by piece. Throws BACKUP_DAMAGED where it is cut short or is something else. */
export async function* readDump(file: string): AsyncGenerator<DumpSection> {
  const text = new DumpText(createReadStream(file).pipe(createGunzip({ chunkSize: 64 * 1024 })))
  try {
    const version = /^-- Pilot backup (\d+) ([0-9a-f]{24})\n$/.exec((await text.line())?.toString() ?? '')
    if (version === null) throw damaged(file, 'It does not begin as a backup of Pilot does.')
    if (version[1] !== '1') throw damaged(file, `It has the format ${version[1]}, and this Pilot knows 1.`)
    const mark = `--${version[2]} `
    for (let line = await nextMark(text, mark); ; ) {
      if (line === undefined) throw damaged(file, 'It is cut short.')
      const type = line.slice(mark.length).trim()
      if (type === 'end') return
      if (type === 'sql') {
        const lines: Buffer[] = []
        for (line = undefined; ; ) {
          const next = await text.line()
          if (next === undefined) break
          if (isMark(next, mark)) {
            line = next.toString()
            break
          }
          lines.push(next)
        }
        yield { type: 'sql', text: Buffer.concat(lines).toString() }
      } else {
        const statement = (await text.line())?.toString().trim() ?? ''
        yield { type: 'copy', statement, rows: text.rows() }
        line = await nextMark(text, mark)
      }
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code?.startsWith('Z_') === true) throw damaged(file, message)
    throw error
  } finally {
    text.close()
  }
}

const isMark = (line: Buffer, mark: string): boolean => line.length < 64 && line.toString('latin1').startsWith(mark)

async function nextMark(text: DumpText, mark: string): Promise<string | undefined> {
  for (let line = await text.line(); line !== undefined; line = await text.line()) if (isMark(line, mark)) return line.toString()
  return undefined
}

const damaged = (file: string, reason: string): PilotError => new PilotError('BACKUP_DAMAGED', `The backup ${file} cannot be read`, { reason })

const newline = 10
const endOfRows = Buffer.from('\n\\.\n')

/** Lines, and rows up to the line `\.`, out of one stream. */
class DumpText {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #close: () => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: NodeJS.ReadableStream & { destroy(): void }) {
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    this.#close = () => stream.destroy()
  }

  /** With its end; undefined when there is none. */
  async line(): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    for (;;) {
      const end = this.#rest.indexOf(newline)
      if (end !== -1) {
        const line = Buffer.concat([...parts, this.#rest.subarray(0, end + 1)])
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      parts.push(this.#rest)
      const next = await this.#chunks.next()
      if (next.done === true) return undefined
      this.#rest = next.value
    }
  }

  async *rows(): AsyncGenerator<Buffer> {
    // The rows may be none: then `\.` stands where the first would, after the end of the line before.
    this.#rest = Buffer.concat([Buffer.from('\n'), this.#rest])
    for (let isFirst = true; ; ) {
      const end = this.#rest.indexOf(endOfRows)
      const upTo = end === -1 ? this.#rest.length - (endOfRows.length - 1) : end + 1
      const from = isFirst && upTo > 0 ? 1 : 0
      if (upTo > from) yield this.#rest.subarray(from, upTo)
      if (upTo > 0) isFirst = false
      if (end !== -1) {
        this.#rest = this.#rest.subarray(end + endOfRows.length)
        return
      }
      const kept = this.#rest.subarray(Math.max(0, upTo))
      const next = await this.#chunks.next()
      if (next.done === true) throw damaged('', 'It is cut short.')
      this.#rest = Buffer.concat([kept, next.value])
    }
  }

  close(): void {
    this.#close()
  }
}
