import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { PilotError } from '@pilot/core/errors'

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The name of the user that PostgreSQL runs as when Pilot itself is root, which PostgreSQL refuses. */
const postgresUserName = 'pilot-postgres'

/** Undefined when Pilot is not root: then PostgreSQL runs as the user of the home. */
export async function postgresUser(): Promise<SystemUser | undefined> {
  return process.getuid?.() === 0 ? await ensureSystemUser(postgresUserName) : undefined
}

/** Finds or makes a system user without a password, a shell or a home. Needs root; may be called by many at once. */
export async function ensureSystemUser(name: string): Promise<SystemUser> {
  const found = await findUser(name)
  if (found !== undefined) return found
  const problem = await promisify(execFile)('useradd', ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', name]).then(
    () => undefined,
    (error: Error) => error,
  )
  // The other one who made it at the same moment was as good.
  const made = await findUser(name)
  if (made !== undefined) return made
  throw new PilotError('HOME_UNUSABLE', `The system user ${name} could not be made.`, { reason: problem?.message ?? 'useradd made no user', suggestion: 'Make it by hand, or run Pilot as an ordinary user.', cause: problem })
}

export async function findUser(name: string): Promise<SystemUser | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) }
}

/** Whether every folder on the way to the path lets this user pass, and the path itself can be read. */
export async function canReach({ uid, gid }: SystemUser, path: string): Promise<boolean> {
  if (!(await allows(path, { uid, gid, bit: 4 }))) return false
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (!(await allows(folder, { uid, gid, bit: 1 }))) return false
    if (folder === dirname(folder)) return true
  }
}

async function allows(path: string, { uid, gid, bit }: { uid: number; gid: number; bit: number }): Promise<boolean> {
  const info = await stat(path).catch(() => undefined)
  if (info === undefined) return false
  const shift = info.uid === uid ? 6 : info.gid === gid ? 3 : 0
  return ((info.mode >> shift) & bit) !== 0
}
