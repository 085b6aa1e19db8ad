import { hasErrno, readJsonSync } from './files.ts'
import type { Home } from './home.ts'

/**
 * A process of a home may outlive it: somebody deletes the folder, and perhaps makes another home there, with the same paths.
 * Then nobody can address the process any more, nothing below those paths is its own, and it ends.
 */
export type Presence = 'there' | 'away' | 'gone'

/** A home that is moved or restored from a backup is back after a moment. */
const goneAfterMs = 1_500

/** How it stands with the home, to be asked again and again: `away` becomes `gone` when it does not come back. */
export function watchPresence(home: Home): () => Presence {
  let awaySince: number | undefined
  return () => {
    awaySince = isHomeThere(home) ? undefined : (awaySince ?? performance.now())
    if (awaySince === undefined) return 'there'
    return performance.now() - awaySince < goneAfterMs ? 'away' : 'gone'
  }
}

/** Whether the folder is still this home: not deleted, and not another home in its place. A file that cannot be read counts as there. */
export function isHomeThere({ id, paths }: Home): boolean {
  try {
    return readJsonSync<{ id?: string }>(paths.homeFile)?.id === id
  } catch (error) {
    return !hasErrno(error, 'ENOTDIR')
  }
}

/**
 * Every write and every deletion below the paths of a home goes through this in a process that may outlive it. What fails
 * because the home is being deleted is of no use to anybody.
 */
export function ifHomeIsThere(home: Home, write: () => void): void {
  if (!isHomeThere(home)) return
  try {
    write()
  } catch (error) {
    if (isHomeThere(home)) throw error
  }
}
