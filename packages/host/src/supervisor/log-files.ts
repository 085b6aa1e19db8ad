import { copyFileSync, statSync, truncateSync } from 'node:fs'
import { hasErrno } from '../home/files.ts'

const defaultLogMaxBytes = 10 * 1024 * 1024

/**
 * Copies a log that has grown too large to `<file>.1` and empties it. Its writers hold the file open for appending, so it
 * can be emptied under them but not renamed; lines that are written between copy and emptying (well under a millisecond
 * for 10 MiB) are lost. A reader sees the file shrink and goes on from its beginning.
 */
export function rotateLog(file: string, maxBytes: number = defaultLogMaxBytes): boolean {
  try {
    if (statSync(file).size <= maxBytes) return false
    copyFileSync(file, `${file}.1`)
    truncateSync(file)
    return true
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOSPC')) return false
    throw error
  }
}
