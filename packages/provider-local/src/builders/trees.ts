import { constants } from 'node:fs'
import { chmod, copyFile, lchown, lstat, mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { PilotError } from '@pilot/core'
import type { SystemUser } from '@pilot/host'

/**
 * Folders full of files that other people's code made. No link is followed. As root it is for the caller to see that nobody who
 * could write to such a folder runs any more (`Workplace.end`), and that the folder it lies in is ours.
 */

/** The mode counts, whatever the umask says. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true })
  await chmod(path, mode)
}

/** Every folder below `top` down to `path`. Throws ENOENT when somebody deletes one of them meanwhile (`removeEmpty`). */
export async function makeFoldersBelow(top: string, path: string, mode: number): Promise<void> {
  let folder = top
  for (const name of relative(top, path).split('/')) {
    folder = join(folder, name)
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await chmod(folder, mode)
  }
}

export async function giveTree(folder: string, { uid, gid }: Pick<SystemUser, 'uid' | 'gid'>): Promise<void> {
  await walk(folder, (path) => lchown(path, uid, gid))
}

/**
 * Readable for the app's user and changed by nobody. As root all of it is taken from `builder`, who made it, and given to root;
 * else only its files are closed, against mistakes: the app runs as their owner, who may add files, and open what is closed.
 */
export async function sealTree(folder: string, { builder, title }: { builder: SystemUser | undefined; title: string }): Promise<void> {
  const asRoot = process.getuid?.() === 0
  await walk(folder, async (path, info) => {
    if (builder) await takeFrom(builder, { path, info, title })
    if (asRoot) await lchown(path, 0, 0)
    if (info.isSymbolicLink()) return
    const mode = info.mode & 0o777
    if (info.isDirectory() && !asRoot) return chmod(path, mode | 0o700)
    // The folder itself is still to be moved, which takes the right to write in it.
    if (path !== folder) await chmod(path, (mode | 0o444 | (mode & 0o100 ? 0o111 : 0)) & 0o555)
  })
}

/**
 * Programs of a Python environment carry the path of the folder they were made in, in their first line and a few small files.
 * Each is replaced, never written to.
 */
export async function relocate({ source, folder }: { source: string; folder: string }): Promise<void> {
  const environment = join(source, '.venv')
  const bin = join(environment, 'bin')
  if (!(await isFolder(environment))) return
  const programs = (await isFolder(bin)) ? await readdir(bin) : []
  for (const file of [join(environment, 'pyvenv.cfg'), ...programs.map((name) => join(bin, name))]) {
    const info = await lstat(file).catch(() => undefined)
    if (!info?.isFile() || info.size > 1024 ** 2) continue
    const text = await readHere(file)
    if (!text.includes(source) || text.includes('\u0000')) continue
    const fresh = besides(file)
    await writeFile(fresh, text.replaceAll(source, folder), { encoding: 'latin1', flag: 'wx', mode: 0o600 })
    await chmod(fresh, info.mode & 0o777)
    await rename(fresh, file)
  }
}

/** Also what its owner may not write to. Absent is success. */
export async function removeTree(path: string): Promise<void> {
  const all = { recursive: true, force: true }
  await rm(path, all).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error
    await walk(path, async (entry, info) => {
      if (info.isDirectory()) await chmod(entry, 0o700)
    })
    await rm(path, all)
  })
}

/** For a folder that others may make anew, and fill, at any moment: what they make is theirs and stays. Absent is success. */
export async function moveAwayAndRemove(path: string): Promise<void> {
  const moved = besides(path)
  const isThere = await rename(path, moved).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      return false
    },
  )
  if (isThere) await removeTree(moved)
}

/** Deletes folders that hold nothing any more, from `path` up to the one below `top`. */
export async function removeEmpty(path: string, { top }: { top: string }): Promise<void> {
  for (let folder = path; folder.startsWith(`${top}/`); folder = dirname(folder)) {
    if (!(await rmdir(folder).then(() => true, (error: NodeJS.ErrnoException) => error.code === 'ENOENT'))) return
  }
}

/**
 * What the builder did not make was brought here by a trick, and must not become readable. A file that has another name
 * elsewhere (a package manager links it from its cache) becomes a copy, so that nobody changes it there.
 */
async function takeFrom({ uid }: SystemUser, { path, info, title }: { path: string; info: Stats; title: string }): Promise<void> {
  if (info.uid !== uid) throw new PilotError('BUILD_FAILED', `The build of ${title} holds something that is not its own`, { reason: `${path} belongs to the user ${info.uid}.` })
  if (!info.isFile() || info.nlink === 1) return
  const copy = besides(path)
  await copyFile(path, copy, constants.COPYFILE_EXCL)
  await rename(copy, path)
}

/** Parents first. */
async function walk(path: string, visit: (path: string, info: Stats) => Promise<unknown>): Promise<void> {
  const info = await lstat(path)
  await visit(path, info)
  if (!info.isDirectory()) return
  const names = await readdir(path)
  for (let i = 0; i < names.length; i += 32) await Promise.all(names.slice(i, i + 32).map((name) => walk(join(path, name), visit)))
}

async function readHere(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  return await handle.readFile('latin1').finally(() => handle.close())
}

const isFolder = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined))?.isDirectory() === true
const besides = (path: string): string => `${path}.${randomBytes(6).toString('hex')}`
