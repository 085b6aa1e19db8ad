import { appendFileSync, closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { hasErrno, replaceFile } from '../home/files.ts'

/**
 * When the bytes of a log were written: pairs of a place and a time (64-bit floats), each of which says that all before the
 * place was written by then. Noted once a second while the log grows, so a line's time is known to the second.
 */
export interface LogTimes {
  /** Milliseconds since 1970; undefined for what no pair covers yet. */
  timeOf(place: number): number | undefined
  /** The first place that may have been written at this time or later. */
  placeAt(ms: number): number
  /** Behind the last byte that may have been written at this time or earlier. */
  endAt(ms: number): number
}

const pairBytes = 16
/** More are thinned out: of the older half every other one goes. */
const mostPairs = 20_000

export function readTimes(file: string): LogTimes {
  const pairs = readPairs(file)
  const count = pairs.length / 2
  const place = (index: number): number => pairs[index * 2]!
  const time = (index: number): number => pairs[index * 2 + 1]!
  return {
    timeOf(of) {
      const index = firstIndex(count, (at) => place(at) > of)
      return index < count ? time(index) : undefined
    },
    // Places only grow; times do not where somebody set the clock back. So these look at each.
    placeAt(ms) {
      let index = 0
      while (index < count && time(index) < ms) index++
      return index === 0 ? 0 : place(index - 1)
    },
    endAt(ms) {
      let index = count
      while (index > 0 && time(index - 1) > ms) index--
      return index === 0 ? 0 : place(index - 1)
    },
  }
}

export function noteTime(file: string, place: number, ms: number): void {
  appendFileSync(file, new Uint8Array(Float64Array.of(place, ms).buffer), { mode: 0o600 })
}

/** The newest pair. */
export function lastTime(file: string): { readonly place: number; readonly ms: number } | undefined {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const whole = Math.floor(fstatSync(descriptor).size / pairBytes)
      if (whole === 0) return undefined
      const pair = new Float64Array(2)
      readSync(descriptor, new Uint8Array(pair.buffer), 0, pairBytes, (whole - 1) * pairBytes)
      return { place: pair[0]!, ms: pair[1]! }
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Forgets what is before the place, and thins out what is left. */
export function trimTimes(file: string, start: number): void {
  const pairs = readPairs(file)
  const count = pairs.length / 2
  const first = firstIndex(count, (at) => pairs[at * 2]! > start)
  const kept = Array.from({ length: count - first }, (_, index) => first + index)
  const half = kept.length > mostPairs ? Math.floor(kept.length / 2) : 0
  // The later one of two stays: what it says is true of the earlier one's bytes too.
  const thinned = kept.filter((_, index) => index >= half || index % 2 === 1)
  if (thinned.length === count) return
  replaceFile(file, Buffer.from(Float64Array.from(thinned.flatMap((index) => [pairs[index * 2]!, pairs[index * 2 + 1]!])).buffer))
}

export const isLongTimes = (bytes: number): boolean => bytes > mostPairs * pairBytes

function readPairs(file: string): Float64Array {
  try {
    const bytes = readFileSync(file)
    const whole = Math.floor(bytes.length / pairBytes) * pairBytes
    return new Float64Array(new Uint8Array(bytes.subarray(0, whole)).buffer)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return new Float64Array()
    throw error
  }
}

/** Of 0 … count, where the test is false first and true from there on. */
function firstIndex(count: number, test: (index: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (test(middle)) high = middle
    else low = middle + 1
  }
  return low
}
