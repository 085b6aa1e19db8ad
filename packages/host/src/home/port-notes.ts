import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasErrno, readJsonSync, replaceFile } from './files.ts'
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
  return await amongNotes((folder) => {
    sweep(folder)
    return write(folder, note)
  }, true)
}

/** Absent is success. */
export async function unclaimPort({ dir, port }: PortNote): Promise<void> {
  await amongNotes((folder) => {
    if (read(folder, String(port)) === dir) rmSync(join(folder, String(port)), { force: true })
  }, undefined)
}

/** All notes of this home: it goes. */
export async function unclaimAll(dir: string): Promise<void> {
  await amongNotes((folder) => {
    for (const name of notesIn(folder)) if (read(folder, name) === dir) rmSync(join(folder, name), { force: true })
  }, undefined)
}

function write(folder: string, { dir, port }: PortNote): boolean {
  const path = join(folder, String(port))
  try {
    writeFileSync(path, dir, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) return true
  }
  const owner = read(folder, String(port))
  if (owner !== dir && owner !== '') {
    if (Object.values(portsOf(owner)).includes(port)) return false
  }
  replaceFile(path, dir)
  return true
}

/** A home that only moved away for a while gets its notes back with its next reservations. */
function sweep(folder: string): void {
  const isGone = new Map<string, boolean>()
  for (const name of notesIn(folder)) {
    const dir = read(folder, name)
    // What is no note of ours (a link, for example) is dealt with when its port is wanted.
    if (!dir.startsWith('/')) continue
    if (!isGone.has(dir)) isGone.set(dir, !existsSync(join(dir, 'home.json')))
    if (isGone.get(dir) === true) rmSync(join(folder, name), { force: true })
  }
}

const notesIn = (folder: string): readonly string[] => readdirSync(folder).filter((name) => /^\d+$/.test(name))

function portsOf(dir: string): Readonly<Record<string, number>> {
  try {
    return readJsonSync(join(dir, 'ports.json')) ?? {}
  } catch {
    return {}
  }
}

/** Empty when it is gone meanwhile. */
function read(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch {
    return ''
  }
}

/** One process at a time, so that a note is never swept that another home has just taken over. */
async function amongNotes<T>(work: (folder: string) => T, otherwise: T): Promise<T> {
  const folder = notesFolder()
  if (folder === undefined) return otherwise
  return await withFileLock(join(folder, 'lock'), async () => work(folder), { timeoutMs: 5_000 }).catch(() => otherwise)
}

/** Undefined where the folder is not ours alone: everybody may write beside it, so anybody may have made it. */
function notesFolder(): string | undefined {
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `pilot-ports-${uid}`)
  if (!existsSync(folder)) makeQuietly(folder)
  const found = lstatSync(folder, { throwIfNoEntry: false })
  const isOurs = found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0
  return isOurs ? folder : undefined
}

function makeQuietly(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch {
    // Somebody else was faster, or nothing can be made here: the look that follows tells.
  }
}
