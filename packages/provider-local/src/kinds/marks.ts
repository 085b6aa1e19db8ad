import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotError, type Listed, type Ownership } from '@pilot/core'

/** Files of the host that we write carry their owner beside what the host reads. */
export interface Marked {
  readonly owner?: Partial<Ownership>
}

/** The files of a folder of the host that carry a platform's mark. */
export async function listMarked({ folder, platformId, title }: { folder: string; platformId: string; title: (id: string) => string }): Promise<readonly Listed[]> {
  const names = await documents(folder)
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
export const hasMarked = async (folder: string, { except }: { except?: string } = {}): Promise<boolean> => (await documents(folder)).some((name) => name !== `${except}.json`)

/** Undefined when there is no such file; an empty owner when it carries none. What cannot be read is no absence: HOME_UNUSABLE. */
export async function readOwner(path: string): Promise<Partial<Ownership> | undefined> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as Marked).owner ?? {}
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw unreadable(path, error)
  }
}

async function documents(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json'))
  } catch (error) {
    if (isAbsent(error)) return []
    throw unreadable(folder, error)
  }
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

const unreadable = (path: string, cause: unknown): PilotError => new PilotError('HOME_UNUSABLE', `${path} cannot be read, so it is not known whom it belongs to`, { reason: (cause as Error).message, cause })

export const markOf = ({ platformId, scope, key, generation }: Ownership): Ownership => ({ platformId, scope, key, generation })
