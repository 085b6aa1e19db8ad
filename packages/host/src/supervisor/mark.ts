import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Home } from '../home/home.ts'

/**
 * In the environment of a service and of all that it starts: which home, service and revision they belong to, and which start of
 * it, since an old and a new process of one revision may be there side by side.
 */
export const serviceMark = 'PILOT_SERVICE'

interface Marked {
  readonly name: string
  readonly revision: string
}

/** What every start of this revision begins with. */
export const markOf = (home: Home, { name, revision }: Marked): string => `${home.id}/${name}/${revision}`

export const newMark = (home: Home, spec: Marked): string => `${markOf(home, spec)}/${randomBytes(6).toString('hex')}`

/** `NAME=value`, as it stands in the environment. */
export const markText = (mark: string): string => `${serviceMark}=${mark}`

/** What a living process was started with; undefined where that cannot be read (elsewhere than on Linux). */
export function markOfProcess(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').find((entry) => entry.startsWith(markText('')))?.slice(markText('').length)
  } catch {
    return undefined
  }
}
