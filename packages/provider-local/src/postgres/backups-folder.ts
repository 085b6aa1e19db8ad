import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { PilotError, type Backup } from '@pilot/core'
import { replaceJson, type Home } from '@pilot/host'

/**
 * The backups of one database: `<id>.sql.gz` with what is known of it in `<id>.json`, all 0600 in a folder of 0700. The file of a
 * backup is renamed when it is whole, and what is known is written after that: a backup is there when its `.json` is.
 */
export const backupsFolder = (home: Home, database: string): string => join(home.dir, 'backups', database)

const idForm = /^[a-z0-9-]{1,60}$/

export async function openBackupsFolder(home: Home, database: string): Promise<string> {
  const folder = backupsFolder(home, database)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(join(home.dir, 'backups'), 0o700)
  return folder
}

export const backupFile = (folder: string, id: string): string => join(folder, `${id}.sql.gz`)
const noteFile = (folder: string, id: string): string => join(folder, `${id}.json`)

export async function readBackups(folder: string): Promise<readonly Backup[]> {
  const names = await readdir(folder).catch(() => [])
  const found = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => readBackup(folder, name.slice(0, -'.json'.length))))
  return found.filter((backup) => backup !== undefined).toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
}

/** Undefined when there is none, or what is known of it cannot be read. */
export async function readBackup(folder: string, id: string): Promise<Backup | undefined> {
  if (!idForm.test(id)) return undefined
  const text = await readFile(noteFile(folder, id), 'utf8').catch(() => undefined)
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Backup)
  } catch {
    return undefined
  }
}

/** Makes the file that was written under the temporary name the backup. */
export async function keepBackup({ folder, written, backup }: { folder: string; written: string; backup: Backup }): Promise<void> {
  await rename(written, backupFile(folder, backup.id))
  replaceJson(noteFile(folder, backup.id), backup, { durable: true })
  await chmod(noteFile(folder, backup.id), 0o600)
}

/** The other way round: what is known goes first, and with it the backup. */
export async function removeBackup(folder: string, id: string): Promise<void> {
  if (!idForm.test(id)) return
  await rm(noteFile(folder, id), { force: true })
  await rm(backupFile(folder, id), { force: true })
}

/** Files that an interrupted backup left. Only one works on a database at a time. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const id = /^(.*)\.sql\.gz(\.part)?$/.exec(name)?.[1]
    if (id !== undefined && (name.endsWith('.part') || (await readBackup(folder, id)) === undefined)) await rm(join(folder, name), { force: true })
  }
}

/** Throws BACKUP_DAMAGED when the file is not what was written. */
export async function verifyBackup(backup: Backup): Promise<void> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(backup.place), hash)
  } catch (error) {
    throw new PilotError('BACKUP_DAMAGED', `The backup ${backup.id} cannot be read`, { reason: (error as Error).message, cause: error })
  }
  const found = `sha256:${hash.digest('hex')}`
  if (found !== backup.checksum) throw new PilotError('BACKUP_DAMAGED', `The backup ${backup.id} is not what was written`, { reason: `Its checksum is ${found}, and ${backup.checksum} was recorded.`, details: { file: backup.place } })
}
