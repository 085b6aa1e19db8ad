import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, lstat, mkdir, rm } from 'node:fs/promises'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { hasErrno, makeSure, readJson, replaceJson } from './files.ts'
import { withFileLock } from './lock.ts'
import { pathsOf, reachableFolder, runFolder, type HomePaths } from './paths.ts'
import { unclaimAll } from './port-notes.ts'

/** All that Pilot keeps on one machine for one user. Two homes never meet: ports, sockets and names follow from the id. */
export interface Home {
  /** Random, 32 hex digits: identity, while the folder's name is for people only. */
  readonly id: string
  readonly dir: string
  readonly paths: HomePaths
}

/** Raised when the layout changes; a newer home is refused untouched. */
const homeFormat = 1

interface HomeFile {
  readonly format: number
  readonly id: string
  readonly createdAt: string
  readonly run: string
  readonly reachable: string
}

/** PILOT_HOME, else `~/.pilot`; absolute. */
export function pilotHome(env: NodeJS.ProcessEnv = process.env): string {
  return env['PILOT_HOME'] ? resolve(env['PILOT_HOME']) : join(homedir(), '.pilot')
}

/**
 * Opens the home, making it when there is none; may be called by many processes at once. Throws HOME_UNUSABLE with the fix
 * when the folder belongs to someone else, can be read by others and cannot be closed, or cannot be written.
 */
export async function openHome(dir: string = pilotHome()): Promise<Home> {
  const absolute = resolve(dir)
  try {
    return await openOrMake(absolute)
  } catch (error) {
    throw unusable(absolute, error)
  }
}

async function openOrMake(absolute: string): Promise<Home> {
  await makePrivateFolder(absolute)
  const file = await readHomeFile(absolute)
  const { run, reachable, id } = file
  const paths = pathsOf({ dir: absolute, run, reachable })
  await makePrivateFolder(run)
  for (const folder of [paths.serviceStatus, paths.services, paths.logs, paths.edge, paths.routes, paths.links, paths.certificates, paths.challenges, paths.keys]) {
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) makeSure(folder)
  }
  if (reachable !== absolute) await makeReachableFolder(reachable)
  return { id, dir: absolute, paths }
}

/** Deletes the home and what lies outside of it. Stop everything first. */
export async function removeHome(home: Home): Promise<void> {
  // First what makes it a home: a supervisor that somebody asked for a moment ago finds none, and ends.
  await rm(home.paths.homeFile, { force: true })
  // Until then it may write into a folder that is being emptied.
  const whole = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }
  if (home.paths.reachable !== home.dir) await rm(home.paths.reachable, whole)
  await rm(home.paths.run, whole)
  await rm(home.dir, whole)
  await unclaimAll(home.dir)
}

async function readHomeFile(dir: string): Promise<HomeFile> {
  const path = join(dir, 'home.json')
  const found = await parseHomeFile(path)
  if (found) return found
  return await withFileLock(join(dir, 'home.lock'), async () => {
    const made = await parseHomeFile(path)
    if (made) return made
    const id = randomBytes(16).toString('hex')
    const uid = process.getuid?.() ?? 0
    const file: HomeFile = { format: homeFormat, id, createdAt: new Date().toISOString(), run: runFolder({ dir, id, tmp: tmpdir() }), reachable: reachableFolder({ dir, id, uid }) }
    replaceJson(path, file, { durable: true })
    return file
  })
}

async function parseHomeFile(path: string): Promise<HomeFile | undefined> {
  let file: HomeFile | undefined
  try {
    file = await readJson<HomeFile>(path)
  } catch (error) {
    throw new PilotError('HOME_UNUSABLE', `${path} cannot be read.`, { reason: (error as Error).message, suggestion: 'Restore the file from a backup, or set PILOT_HOME to another folder.', cause: error })
  }
  if (file === undefined) return undefined
  if (typeof file.format !== 'number' || typeof file.id !== 'string' || !/^[0-9a-f]{32}$/.test(file.id)) {
    throw new PilotError('HOME_UNUSABLE', `${path} is not the description of a Pilot home.`, { suggestion: 'Set PILOT_HOME to another folder.' })
  }
  if (file.format > homeFormat) {
    throw new PilotError('HOME_UNUSABLE', `The home ${path} was written by a newer Pilot (format ${file.format}; this one knows ${homeFormat}).`, { suggestion: 'Upgrade this Pilot; nothing was changed.' })
  }
  return file
}

/** Makes the folder 0700, or checks that it is ours alone and can be written. */
async function makePrivateFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const info = await lstat(dir)
    if (info.isSymbolicLink()) throw new PilotError('HOME_UNUSABLE', `${dir} is a symbolic link.`, { suggestion: 'Set PILOT_HOME to the folder that it points to.' })
    const uid = process.getuid?.()
    if (uid !== undefined && info.uid !== uid) {
      throw new PilotError('HOME_UNUSABLE', `${dir} belongs to another user (uid ${info.uid}).`, {
        suggestion: `Run Pilot as that user, give the folder to yourself (sudo chown -R ${userInfo().username} ${dir}), or set PILOT_HOME to another folder.`,
      })
    }
    if ((info.mode & 0o077) !== 0) await chmod(dir, 0o700)
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable(dir, error)
  }
}

async function makeReachableFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o711 })
    // mkdir is subject to the umask, and the parent must let others pass too.
    await chmod(join(dir, '..'), 0o711)
    await chmod(dir, 0o711)
  } catch (error) {
    throw unusable(dir, error)
  }
}

function unusable(dir: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'PilotError') return error
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) return new PilotError('DISK_FULL', `The disk of the Pilot home ${dir} is full`, { reason: error.message, suggestion: `Free some space (\`df -h ${dir}\` shows the disk), or set PILOT_HOME to a folder on another disk.`, cause: error })
  const suggestion = hasErrno(error, 'EACCES', 'EPERM')
    ? `Make it yours: sudo chown -R ${userInfo().username} ${dir} && chmod 700 ${dir}, or set PILOT_HOME to another folder.`
    : hasErrno(error, 'ENOTDIR', 'EEXIST')
      ? 'A file is in the way: move it, or set PILOT_HOME to another folder.'
      : hasErrno(error, 'EROFS')
        ? 'The file system is read-only: set PILOT_HOME to a folder that can be written.'
        : hasErrno(error, 'ENOENT')
          ? 'The folder above it is not there and cannot be made, or is on a file system that is read-only: make it, or set PILOT_HOME to another folder.'
        : hasErrno(error, 'ENAMETOOLONG')
          ? 'The path is too long: set PILOT_HOME to a shorter one.'
          : undefined
  return new PilotError('HOME_UNUSABLE', `The Pilot home ${dir} cannot be used.`, { reason: error.message, cause: error, ...(suggestion === undefined ? {} : { suggestion }) })
}
