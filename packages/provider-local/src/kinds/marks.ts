import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Listed, Ownership } from '@pilot/core'

/** Files of the host that we write carry their owner beside what the host reads. */
export interface Marked {
  readonly owner?: Partial<Ownership>
}

/** The files of a folder of the host that carry a platform's mark. */
export async function listMarked({ folder, platformId, title }: { folder: string; platformId: string; title: (id: string) => string }): Promise<readonly Listed[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const all = await Promise.all(
    names.map(async (name) => {
      const id = name.slice(0, -'.json'.length)
      const owner = await readOwner(join(folder, name))
      return owner?.platformId === platformId ? [{ id, owner, title: title(id) }] : []
    }),
  )
  return all.flat()
}

/** Whether any platform is left that uses what the platforms of a home share. */
export const hasMarked = async (folder: string): Promise<boolean> => (await readdir(folder).catch(() => [])).some((name) => name.endsWith('.json'))

/** Undefined when there is no such file; an empty owner when it carries none. */
export async function readOwner(path: string): Promise<Partial<Ownership> | undefined> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as Marked).owner ?? {}
  } catch {
    return undefined
  }
}

export const markOf = ({ platformId, scope, key, generation }: Ownership): Ownership => ({ platformId, scope, key, generation })
