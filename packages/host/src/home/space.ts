import { statfs } from 'node:fs/promises'
import { PilotError } from '@pilot/core/errors'
import type { Home } from './home.ts'

export interface Space {
  /** A folder on that disk. */
  readonly path: string
  readonly freeBytes: number
}

/** Of the disks that the home lies on (as root it may be two), the one with the least free space. */
export async function leastSpace({ dir, paths }: Home): Promise<Space> {
  const disks = await Promise.all([...new Set([dir, paths.reachable])].map(async (path) => {
    const { bavail, bsize } = await statfs(path)
    return { path, freeBytes: bavail * bsize }
  }))
  return disks.reduce((least, disk) => (disk.freeBytes < least.freeBytes ? disk : least))
}

/** Bytes that are free where the home lies. */
export const freeSpace = async (home: Home): Promise<number> => (await leastSpace(home)).freeBytes

/** What any change needs besides its own data: records, and the write-ahead log of the databases. */
const changeBytes = 16 * 1024 ** 2

/** The error when a disk of the home is full, or so nearly that nothing should be begun; `leastBytes`: what is needed for something smaller. */
export async function diskFull(home: Home, { leastBytes = changeBytes }: { readonly leastBytes?: number } = {}): Promise<PilotError | undefined> {
  const { path, freeBytes } = await leastSpace(home)
  if (freeBytes >= leastBytes) return undefined
  return new PilotError('DISK_FULL', `The disk of ${path} is full`, {
    reason: `${(freeBytes / 1024 ** 2).toFixed(1)} MB are free, and ${leastBytes / 1024 ** 2} MB are needed at the least. What runs is not touched.`,
    suggestion: `Free some space (\`df -h ${path}\` shows the disk), then run the command again.`,
    details: { path, freeBytes, neededBytes: leastBytes },
  })
}
