import { open, stat } from 'node:fs/promises'
import type { LogCall, LogLine } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { StoredInstance } from '../kinds/process.ts'
import { pause } from './pause.ts'
import { processesOf } from './process-status.ts'

const pollMs = 300
/** Read from the end of a log to find its last lines; longer lines than this in all are not shown from before. */
const tailBytes = 256 * 1024
const chunkBytes = 256 * 1024

/**
 * Lines of the log files of an app's processes. The supervisor lets both output streams go to one file without times, so
 * lines carry neither. The cursor holds the byte offset in each file; one that was emptied since is read from its beginning.
 */
export async function* processLogs(platform: { home: Home; platformId: string }, { app, deployments, tail = 100, follow = false, cursor, signal }: LogCall): AsyncIterable<LogLine> {
  const offsets = new Map<string, number>(cursor ? Object.entries(parseCursor(cursor)) : [])
  const asCursor = (): string => Buffer.from(JSON.stringify(Object.fromEntries(offsets))).toString('base64url')
  for (let first = true; ; first = false) {
    const services = (await processesOf(platform, app)).filter(({ deployment }) => !deployments || deployments.includes(deployment))
    for (const service of services) {
      if (first && !offsets.has(service.name)) offsets.set(service.name, await offsetOfTail(service, tail))
      for (;;) {
        const read = await readServiceLines(service, offsets.get(service.name) ?? 0)
        for (const { text, end } of read.lines) {
          if (signal.aborted) return
          offsets.set(service.name, end)
          yield { deployment: service.deployment, instance: service.name, ...(service.process === undefined ? {} : { process: service.process }), stream: 'stdout', text, cursor: asCursor() }
        }
        offsets.set(service.name, read.next)
        if (read.lines.length === 0 || signal.aborted) break
      }
    }
    if (!follow || signal.aborted) return
    await pause(pollMs, signal)
    if (signal.aborted) return
  }
}

interface Lines {
  readonly lines: readonly { readonly text: string; readonly end: number }[]
  /** Where to go on. */
  readonly next: number
}

/** Whole lines from the offset on; what has no line end yet waits. */
export async function readServiceLines({ logFile }: Pick<StoredInstance, 'logFile'>, from: number): Promise<Lines> {
  const size = (await stat(logFile).catch(() => undefined))?.size ?? 0
  const start = size < from ? 0 : from
  if (size === start) return { lines: [], next: start }
  const bytes = await readRange(logFile, start, Math.min(size, start + chunkBytes))
  const lines: { text: string; end: number }[] = []
  let position = 0
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, position)) {
    lines.push({ text: bytes.subarray(position, end).toString('utf8').replace(/\r$/, ''), end: start + end + 1 })
    position = end + 1
  }
  // One line longer than a chunk: shown in parts rather than never.
  if (lines.length === 0 && bytes.length === chunkBytes) return { lines: [{ text: bytes.toString('utf8'), end: start + chunkBytes }], next: start + chunkBytes }
  return { lines, next: start + position }
}

async function offsetOfTail({ logFile }: StoredInstance, count: number): Promise<number> {
  const size = (await stat(logFile).catch(() => undefined))?.size ?? 0
  const start = Math.max(0, size - tailBytes)
  const bytes = await readRange(logFile, start, size)
  let position = bytes.length
  // The last line's own end does not count.
  for (let seen = 0; seen <= count && position > 0; ) {
    position = bytes.lastIndexOf(10, position - 1)
    if (position === -1) return start
    seen += 1
    if (seen > count) return start + position + 1
  }
  return start
}

async function readRange(file: string, start: number, end: number): Promise<Buffer> {
  if (end <= start) return Buffer.alloc(0)
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.alloc(end - start)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

function parseCursor(cursor: string): Record<string, number> {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as Record<string, number>
  } catch {
    return {}
  }
}
