import { PilotError, type Backup, type Capabilities, type DatabaseAdministration } from '@pilot/core'

type Databases = NonNullable<Capabilities['database']>

/** What was done to the fake databases, and why the next backup fails. */
export const fakeDatabases: { readonly backups: Backup[]; readonly restored: string[]; failBackup: string | undefined; failRemove: string | undefined } = { backups: [], restored: [], failBackup: undefined, failRemove: undefined }

const administration: DatabaseAdministration = {
  info: async ({ app }) => ({ database: app.app, owner: app.app, bytes: 1, connections: 0, maxConnections: 10, postgres: '17.0', host: '127.0.0.1', port: 1, extensions: [] }),
  users: async () => [],
  login: async ({ app, as }) => ({ host: '127.0.0.1', port: 1, database: app.app, user: as.app }),
  backups: async ({ app }) => fakeDatabases.backups.filter((backup) => backup.app.app === app.app),
  async backup({ app, id, by, version, scheduled, checkpoint, log }) {
    await checkpoint()
    log('dumping')
    if (fakeDatabases.failBackup !== undefined) throw new PilotError('DISK_FULL', fakeDatabases.failBackup)
    const known = fakeDatabases.backups.find((backup) => backup.id === id)
    if (known) return known
    const backup: Backup = { id, app, by, ...(version === undefined ? {} : { version }), ...(scheduled ? { scheduled } : {}), startedAt: new Date().toISOString(), ms: 1, bytes: 1, checksum: 'sha256:0', place: '/dev/null', postgres: '17.0', tables: 1, rows: 1 }
    fakeDatabases.backups.push(backup)
    return backup
  },
  async removeBackup({ backup, checkpoint }) {
    await checkpoint()
    if (fakeDatabases.failRemove !== undefined) throw new PilotError('DISK_FULL', fakeDatabases.failRemove)
    const at = fakeDatabases.backups.findIndex(({ id }) => id === backup)
    if (at >= 0) fakeDatabases.backups.splice(at, 1)
  },
  async restore({ app, backup, checkpoint }) {
    await checkpoint()
    if (!fakeDatabases.backups.some(({ id }) => id === backup)) throw new PilotError('NOT_FOUND', `There is no backup ${backup}`)
    fakeDatabases.restored.push(backup)
    return { database: app.app, kept: `${app.app}_before`, missingRoles: [] }
  },
  async undoRestore({ app }) {
    fakeDatabases.restored.push('undo')
    return { database: app.app, missingRoles: [] }
  },
}

export const fakeDatabaseCapability: Databases = { major: 17, database: () => ({ resources: [], outputs: { url: 'postgres://fake' } }), administration }
