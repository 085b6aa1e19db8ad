import type { AppIdentity } from './app-identity.ts'

/**
 * What can be done with a database beyond making it. Optional: a provider that has none of it leaves it out. `app` is always the
 * one that owns the database; whoever shares it is resolved before.
 *
 * - `backup` and `restore` are operations with an id that the caller makes: called again with the same id they go on or
 *   say that it was done. What an interrupted one left is removed by the next.
 * - A backup is whole or not there: it gets its name when all of it is written.
 * - A restore fills a new database and puts it in the place of the old one in a single step: whatever happens, the app has the one
 *   or the other, whole.
 */
export interface DatabaseAdministration {
  /** Throws NOT_FOUND when the database is not there. */
  info(call: DatabaseCall): Promise<DatabaseInfo>
  users(call: DatabaseCall): Promise<readonly DatabaseUser[]>
  /** Where a client on the provider's side connects as this app; the password is in the secret store. */
  login(call: DatabaseCall & { /** Whose login: the owner, or an app that shares the database. */ readonly as: AppIdentity }): Promise<DatabaseLogin>
  backup(call: DatabaseOperation & BackupNote): Promise<Backup>
  /** Oldest first. */
  backups(call: DatabaseCall): Promise<readonly Backup[]>
  /** What is gone already counts as deleted. */
  removeBackup(call: DatabaseCall & { readonly backup: string; /** As of an operation. */ checkpoint(): Promise<void> }): Promise<void>
  /** Throws NOT_FOUND, BACKUP_DAMAGED. */
  restore(call: DatabaseOperation & { readonly backup: string; /** Keep no copy of what was there before. */ readonly dropOld: boolean }): Promise<Restored>
  /** Swaps back what the last restore replaced. Throws NOT_FOUND when nothing was kept. */
  undoRestore(call: DatabaseOperation): Promise<Restored>
}

export interface DatabaseCall {
  readonly app: AppIdentity
  readonly signal: AbortSignal
}

export interface DatabaseOperation extends DatabaseCall {
  /** [a-z0-9-], unique for the app: of the backup, or of the restore. */
  readonly id: string
  /** Await right before something is changed. Throws LEASE_LOST. */
  checkpoint(): Promise<void>
  log(line: string): void
}

/** What the caller knows and the backup says later. */
export interface BackupNote {
  readonly by: string
  /** Of the app: the deployment that was live, `v3`. */
  readonly version?: string
  /** Made by a schedule, which also deletes it when it is old. */
  readonly scheduled?: true
}

export interface Backup extends BackupNote {
  readonly id: string
  readonly app: AppIdentity
  readonly startedAt: string
  readonly ms: number
  /** Of the file. */
  readonly bytes: number
  readonly checksum: string
  /** Where it is: a path, an address. */
  readonly place: string
  readonly postgres: string
  readonly tables: number
  readonly rows: number
}

export interface Restored {
  readonly database: string
  /** The database that was replaced, kept under this name. */
  readonly kept?: string
  /** Roles that the backup names and that are none of this database's: what was theirs belongs to the owner. */
  readonly missingRoles: readonly string[]
}

export interface DatabaseInfo {
  readonly database: string
  readonly owner: string
  readonly bytes: number
  readonly connections: number
  /** Of the server, for all databases together. */
  readonly maxConnections: number
  readonly postgres: string
  readonly host: string
  readonly port: number
  readonly extensions: readonly string[]
  /** What the last restore replaced. */
  readonly kept?: { readonly database: string; readonly bytes: number }
}

export interface DatabaseUser {
  readonly name: string
  /** Whose login it is; undefined: not one of Pilot's. */
  readonly app?: AppIdentity
  readonly connections: number
  /** -1: none of its own. */
  readonly connectionLimit: number
}

export interface DatabaseLogin {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}
