import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasErrno, readJson, replaceFile } from './files.ts'
import { withFileLock } from './lock.ts'

/**
 * A port that another home of this user has reserved may be unbound at the moment. So each reservation leaves a note beside
 * the homes: a file named after the port, with the folder of the home in it. A note whose home does not know the port any more
 * counts for nothing. Other users' homes are met by binding only. Notes are a help against collisions, no more: where they
 * cannot be read or written, everything goes on without them.
 */
export interface PortNote {
  /** The folder of the home. */
  readonly dir: string
  readonly port: number
}

/** False when another home has reserved the port. Sweeps the notes of homes that were deleted without `removeHome`. */
export async function claimPort(note: PortNote): Promise<boolean> {
  return await amongNotes(async (folder) => {
    await sweep(folder)
    return await write(folder, note)
  }, true)
}

/** Absent is success. */
export async function unclaimPort({ dir, port }: PortNote): Promise<void> {
  await amongNotes(async (folder) => {
    if ((await read(folder, String(port))) === dir) await rm(join(folder, String(port)), { force: true })
  }, undefined)
}

/** All notes of this home: it goes. */
export async function unclaimAll(dir: string): Promise<void> {
  await amongNotes(async (folder) => {
    for (const name of await notesIn(folder)) if ((await read(folder, name)) === dir) await rm(join(folder, name), { force: true })
  }, undefined)
}

async function write(folder: string, { dir, port }: PortNote): Promise<boolean> {
  const path = join(folder, String(port))
  try {
    await writeFile(path, dir, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) return true
  }
  const owner = await read(folder, String(port))
  if (owner !== dir && owner !== '') {
    const theirs = await readJson<Readonly<Record<string, number>>>(join(owner, 'ports.json')).catch(() => undefined)
    if (Object.values(theirs ?? {}).includes(port)) return false
  }
  replaceFile(path, dir)
  return true
}

/** A home that only moved away for a while gets its notes back with its next reservations. */
async function sweep(folder: string): Promise<void> {
  const isGone = new Map<string, boolean>()
  for (const name of await notesIn(folder)) {
    const dir = await read(folder, name)
    // What is no note of ours (a link, for example) is dealt with when its port is wanted.
    if (!dir.startsWith('/')) continue
    if (!isGone.has(dir)) isGone.set(dir, !existsSync(join(dir, 'home.json')))
    if (isGone.get(dir) === true) await rm(join(folder, name), { force: true })
  }
}

const notesIn = async (folder: string): Promise<readonly string[]> => (await readdir(folder)).filter((name) => /^\d+$/.test(name))

/** Empty when it is gone meanwhile. */
const read = (folder: string, name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '')

/** One process at a time, so that a note is never swept that another home has just taken over. */
async function amongNotes<T>(work: (folder: string) => Promise<T>, otherwise: T): Promise<T> {
  const folder = await notesFolder()
  if (folder === undefined) return otherwise
  return await withFileLock(join(folder, 'lock'), () => work(folder), { timeoutMs: 5_000 }).catch(() => otherwise)
}

/** Undefined where the folder is not ours alone: everybody may write beside it, so anybody may have made it. */
async function notesFolder(): Promise<string | undefined> {
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `pilot-ports-${uid}`)
  await mkdir(folder, { mode: 0o700 }).catch(() => {})
  const found = await lstat(folder).catch(() => undefined)
  const isOurs = found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0
  return isOurs ? folder : undefined
}
