import { execFile } from 'node:child_process'
import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { hasErrno } from '../home/files.ts'
import { besideLog, readFacts, writeFacts, type LogFacts } from './log-facts.ts'
import { isLongTimes, lastTime, noteTime, readTimes, trimTimes } from './log-times.ts'

export interface LogLimits {
  readonly bytes: number
  readonly ms: number
}

export interface LogKeeper {
  /** Notes until where the log had grown by now, and drops what is too much or too old. Called once a second. */
  look(seen: { readonly now: number; readonly diskIsFull: boolean }): Promise<void>
}

/** Beyond its limit a log grows by this share before its beginning is dropped, so that this is seldom. */
const slack = 0.1
const oldEveryMs = 10 * 60_000
const block = 4096
const mostTurns = 5
/** Lines of more than this are not counted: a program can make its log any size, and empty, at no cost. */
const countedBytes = 512 * 1024 ** 2

/**
 * Keeps the log of one process within its limits, while the process appends to it and knows nothing of it. The beginning is
 * given back to the disk by a hole (fallocate(1), Linux): no line that comes meanwhile can be lost. Where that cannot be done
 * the file is copied to `<log>.1` and emptied; what is written within the microseconds in between is lost then.
 */
export function createLogKeeper(file: string, limits: LogLimits, { makeHole = fallocate }: { makeHole?: (file: string, bytes: number) => Promise<boolean> } = {}): LogKeeper {
  const beside = besideLog(file)
  let end = lastTime(beside.times)?.place ?? 0
  let holes = true
  let lookedForOld = 0
  let fullSince: number | undefined

  async function look({ now, diskIsFull }: { now: number; diskIsFull: boolean }): Promise<void> {
    const size = statSync(file, { throwIfNoEntry: false })?.size
    if (size === undefined) return
    let facts = readFacts(file)
    // Somebody emptied it.
    if (facts.base + size < end) facts = keep({ ...facts, start: end, base: end, dropped: [...facts.dropped, { from: facts.start, to: end, lines: 0, at: now }] })
    if (diskIsFull) fullSince ??= now
    else if (fullSince !== undefined) {
      facts = keep({ ...facts, gaps: [...facts.gaps, { place: end, from: fullSince, to: now }] })
      fullSince = undefined
    }
    if (facts.base + size > end) {
      noteTime(beside.times, facts.base + size, now)
      end = facts.base + size
    }
    const isTooLarge = end - facts.start > limits.bytes * (1 + slack)
    const isTimeForOld = now - lookedForOld > oldEveryMs
    if (isTimeForOld) lookedForOld = now
    const old = isTimeForOld ? readTimes(beside.times).placeAt(now - limits.ms) : 0
    const wanted = Math.max(isTooLarge ? end - limits.bytes : 0, Math.min(old, end))
    if (wanted > facts.start) await drop(facts, wanted)
    if (isTimeForOld && isLongTimes(statSync(beside.times, { throwIfNoEntry: false })?.size ?? 0)) trimTimes(beside.times, facts.start)
  }

  async function drop(facts: LogFacts, wanted: number): Promise<void> {
    if (holes && facts.previous === undefined) {
      const { place, lines } = await lineEndFrom(file, { facts, wanted })
      // Before the hole: who reads meanwhile already knows better than to look there.
      const before = facts
      keep(dropped(facts, place, lines))
      if (await makeHole(file, Math.floor((place - facts.base) / block) * block)) return trimTimes(beside.times, place)
      holes = false
      keep(before)
    }
    await moveAside(readFacts(file))
  }

  /** Both halves together are within the limit. */
  async function moveAside(facts: LogFacts): Promise<void> {
    if (statSync(file).size < limits.bytes / 2) return
    const lines = facts.previous === undefined ? 0 : await linesOf(beside.previous, 0, facts.previous.size)
    copyFileSync(file, beside.previous)
    const size = copyWhatCame(file, beside.previous)
    keep({ ...(facts.previous === undefined ? facts : dropped(facts, facts.base, lines)), start: facts.base, base: facts.base + size, previous: { from: facts.base, size } })
    truncateSync(file)
    trimTimes(beside.times, facts.base)
  }

  const dropped = (facts: LogFacts, to: number, lines: number): LogFacts => ({ ...facts, start: to, dropped: [...facts.dropped, { from: facts.start, to, lines, at: readTimes(beside.times).timeOf(to - 1) ?? Date.now() }] })

  function keep(facts: LogFacts): LogFacts {
    writeFacts(file, facts)
    return facts
  }

  return {
    async look(seen) {
      try {
        await look(seen)
      } catch (error) {
        // Its folder goes while a home is deleted; a full disk takes no note of itself.
        if (!hasErrno(error, 'ENOENT', 'ENOSPC')) throw error
        if (hasErrno(error, 'ENOSPC')) fullSince ??= seen.now
      }
    },
  }
}

/** Of a process that has ended: what nobody has looked at yet was written by the last write, and not when its file is touched later. */
export function noteLastWrite(file: string): void {
  const { size, mtimeMs } = statSync(file)
  const end = readFacts(file).base + size
  const { times } = besideLog(file)
  if (end > (lastTime(times)?.place ?? 0)) noteTime(times, end, mtimeMs)
}

/** A program that writes all the time is caught up with, but not for ever: each turn is shorter than the one before. Returns how much is copied. */
function copyWhatCame(from: string, to: string): number {
  const [source, copy] = [openSync(from, 'r'), openSync(to, 'a')]
  try {
    let copied = fstatSync(copy).size
    const buffer = Buffer.alloc(256 * 1024)
    for (let turn = 0; turn < mostTurns; turn++) {
      const grown = fstatSync(source).size
      if (grown <= copied) break
      while (copied < grown) {
        const read = readSync(source, buffer, 0, Math.min(buffer.length, grown - copied), copied)
        if (read === 0) break
        writeSync(copy, buffer, 0, read)
        copied += read
      }
    }
    return copied
  } finally {
    closeSync(source)
    closeSync(copy)
  }
}

/** The beginning of the first line at or after the place, and how many lines are before it. */
async function lineEndFrom(file: string, { facts, wanted }: { facts: LogFacts; wanted: number }): Promise<{ readonly place: number; readonly lines: number }> {
  const lines = await linesOf(file, facts.start - facts.base, wanted - facts.base)
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.alloc(64 * 1024)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, wanted - 1 - facts.base)
    const newline = buffer.subarray(0, bytesRead).indexOf(10)
    return newline === -1 ? { place: wanted, lines } : { place: wanted + newline, lines: newline === 0 ? lines : lines + 1 }
  } finally {
    await handle.close()
  }
}

async function linesOf(file: string, from: number, to: number): Promise<number> {
  if (to - from > countedBytes) return 0
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.alloc(256 * 1024)
    let lines = 0
    for (let at = from; at < to; ) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, to - at), at)
      if (bytesRead === 0) break
      for (let newline = buffer.indexOf(10); newline !== -1 && newline < bytesRead; newline = buffer.indexOf(10, newline + 1)) lines++
      at += bytesRead
    }
    return lines
  } finally {
    await handle.close()
  }
}

const run = promisify(execFile)

/** The file keeps its size; what is in the hole takes no space and reads as zeros. False where that cannot be done. */
async function fallocate(file: string, bytes: number): Promise<boolean> {
  if (process.platform !== 'linux') return false
  if (bytes === 0) return true
  return run('fallocate', ['--punch-hole', '--offset', '0', '--length', String(bytes), file], { timeout: 60_000 }).then(
    () => true,
    () => false,
  )
}
