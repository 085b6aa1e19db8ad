import { join } from 'node:path'
import { createExclusive, listNames, readIfThere, removeQuietly, removeStaleTemporaries } from './durable-file.ts'

/**
 * A folder of `00000001.json`, `00000002.json`, …: a register with compare-and-set across processes. The newest file is
 * the value, and creating the next number exclusively is the swap: of two writers exactly one wins.
 */
export interface NumberedFiles {
  /** Ascending. */
  numbers(): readonly number[]
  newest(): number | undefined
  path(number: number): string
  /** `undefined` when it does not exist (any more). */
  read(number: number): Promise<string | undefined>
  /** Creates `number`, which must follow the newest; `false` when another writer was faster. */
  create(number: number, content: string): Promise<boolean>
}

/** `keep` is how many of the newest numbers stay; older ones are deleted with each creation. */
export function numberedFiles({ folder, extension, keep = Infinity }: { folder: string; extension: string; keep?: number }): NumberedFiles {
  const pattern = new RegExp(`^(\\d{8,})\\.${extension}$`)
  const path = (number: number) => join(folder, `${String(number).padStart(8, '0')}.${extension}`)

  const numbers = () => listNames(folder).flatMap((name) => Number(pattern.exec(name)?.[1] ?? NaN) || []).sort((a, b) => a - b)
  const newest = () => numbers().at(-1)

  return {
    numbers,
    newest,
    path,
    read: (number) => readIfThere(path(number)),
    async create(number, content) {
      if (number !== (newest() ?? 0) + 1) return false
      // A writer that slept since its look may find its number free again because it was pruned: it did not win. Asked at once,
      // since a winner may sleep too, while its folder is flushed.
      if (!(await createExclusive(path(number), content, () => (newest() ?? number) - number < keep))) return false
      const all = numbers()
      const latest = all.at(-1) ?? number
      for (const old of all.filter((each) => latest - each >= keep)) removeQuietly(path(old))
      if (number % 16 === 0) await removeStaleTemporaries(folder)
      return true
    },
  }
}
