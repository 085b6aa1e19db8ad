import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Replaces a file in one step: readers see the old or the new content, never a part. 0600, since most of what the home keeps
 * is nobody else's business. `durable` waits for the disk: for what must survive a power cut, not for statuses.
 */
export function replaceFile(path: string, content: string | Buffer, { durable = false, mode = 0o600 }: { durable?: boolean; mode?: number } = {}): void {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const fd = openSync(temporary, 'wx', mode)
    try {
      writeFileSync(fd, content)
      if (durable) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (durable) makeSure(path)
}

/**
 * What is in the file, made by whoever asks first, and the same for all who ask later: for keys and passwords, which are used the
 * moment they are known. 0600. Durable when it returns.
 */
export function readOrCreate(path: string, create: () => string | Buffer): Buffer {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const found = readFileSync(path)
    // Who made it may have been killed before its name was safe.
    makeSure(path)
    return found
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error
  }
  try {
    writeFileSync(temporary, create(), { mode: 0o600, flag: 'wx', flush: true })
    linkSync(temporary, path)
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  makeSure(path)
  return readFileSync(path)
}

/** Deletes a file for good: it does not come back after a power cut. Absent is success. */
export function removeFile(path: string): void {
  rmSync(path, { force: true })
  syncFolder(dirname(path))
}

/** The name of the file or folder is on the disk for good when this returns, and those of the folders that it is in. */
export function makeSure(path: string): void {
  const folder = dirname(path)
  sureFolder(folder)
  syncFolder(folder)
}

/** Folders whose names this process has seen safe, by path and identity: that one is there does not say so. */
const sureFolders = new Set<string>()

function sureFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false })
  const identity = `${folder}:${found?.ino}`
  if (dirname(folder) === folder || sureFolders.has(identity)) return
  sureFolder(dirname(folder))
  syncFolder(dirname(folder))
  sureFolders.add(identity)
}

/** What lies above the home and is not ours to open was there before it; what is gone needs nothing. */
function syncFolder(path: string): void {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'ENOENT')) return
    throw error
  }
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export function replaceJson(path: string, value: unknown, options: { durable?: boolean; mode?: number } = {}): void {
  replaceFile(path, `${JSON.stringify(value, null, 2)}\n`, options)
}

/** The parsed file, or undefined when there is none. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

export function readJsonSync<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
