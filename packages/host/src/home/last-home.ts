import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Of root's homes: where their reachable folders lie side by side, with what they share. */
const sharedFolder = '/var/lib/pilot'
const homeName = /^[0-9a-f]{32}$/
/** Users that all homes of root share: PostgreSQL's, and those that builds run as. */
const sharedUsers = /^pilot-(?:postgres|build(?:-\d+)?)$/

export interface SharedOptions {
  readonly folder?: string
  readonly users?: RegExp
}

/**
 * What the homes of root have together goes with the last of them: folder and system users. Returns what was removed. A user
 * that something still runs as stays.
 */
export async function removeSharedIfLast({ folder = sharedFolder, users = sharedUsers }: SharedOptions = {}): Promise<readonly string[]> {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return []
  const there = await readdir(folder).catch(() => undefined)
  if (there?.some((name) => homeName.test(name))) return []
  const names = (await readFile('/etc/passwd', 'utf8')).split('\n').flatMap((line) => line.split(':', 1)).filter((name) => users.test(name))
  const removed: string[] = []
  for (const name of names) if (await promisify(execFile)('userdel', [name]).then(() => true, () => false)) removed.push(`user ${name}`)
  if (there) {
    await rm(folder, { recursive: true, force: true })
    removed.push(folder)
  }
  return removed
}
