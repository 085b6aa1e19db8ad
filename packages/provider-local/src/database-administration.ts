import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { PilotError, type AppIdentity, type Backup, type DatabaseAdministration, type DatabaseUser, type Restored } from '@pilot/core'
import { freeSpace, openCluster, reservePort, type Home } from '@pilot/host'
import type { Client } from 'pg'
import pg from 'pg'
import { dumpDatabase, restoreDatabase } from './dump/run-dump.ts'
import type { Connection } from './dump/pg-dump.ts'
import { databaseName, databaseUserName, ownerOfText } from './ownership.ts'
import { asSuperuser, superuserPassword } from './postgres/apps-cluster.ts'
import { backupFile, backupsFolder, keepBackup, openBackupsFolder, readBackup, readBackups, removeBackup, removeUnfinished, verifyBackup } from './postgres/backups-folder.ts'
import { scramVerifier } from './postgres/scram.ts'
import { replacedName, restoreRole, restoringName, swapDatabases } from './postgres/swap-databases.ts'

/** Information, users, backup and restore of the databases in the apps' cluster. */
export function databaseAdministration({ home, platformId }: { home: Home; platformId: string }): DatabaseAdministration {
  const nameOf = (app: AppIdentity): string => databaseName(platformId, app)

  return {
    async info({ app }) {
      const database = nameOf(app)
      const port = await reservePort(home, 'postgres-apps')
      return asSuperuser(home, { doing: `The database ${database}`, database: await existing(home, database) }, async (client) => {
        const { rows: [found] } = await client.query<{ owner: string; bytes: string; connections: number; max: number; postgres: string; extensions: readonly string[]; kept: string | null }>(
          `SELECT pg_get_userbyid(d.datdba) AS owner, pg_database_size(d.oid)::text AS bytes,
            (SELECT count(*)::int FROM pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_backend_pid()) AS connections,
            current_setting('max_connections')::int AS max, current_setting('server_version') AS postgres,
            (SELECT coalesce(array_agg(extname::text ORDER BY extname), '{}') FROM pg_extension) AS extensions,
            (SELECT pg_database_size(oid)::text FROM pg_database WHERE datname = $1) AS kept
          FROM pg_database d WHERE d.datname = current_database()`,
          [replacedName(database)],
        )
        const { max, kept, bytes, postgres, ...rest } = found!
        return { database, ...rest, bytes: Number(bytes), maxConnections: max, postgres: postgres.split(' ')[0]!, host: '127.0.0.1', port, ...(kept === null ? {} : { kept: { database: replacedName(database), bytes: Number(kept) } }) }
      })
    },

    async users({ app }) {
      const database = nameOf(app)
      await existing(home, database)
      return asSuperuser(home, { doing: `The users of ${database}` }, async (client) => {
        const { rows } = await client.query<{ name: string; comment: string | null; connections: number; limit: number }>(
          `SELECT r.rolname AS name, shobj_description(r.oid, 'pg_authid') AS comment, r.rolconnlimit AS limit,
            (SELECT count(*)::int FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid WHERE a.usesysid = r.oid AND d.datname = $1) AS connections
          FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, $1, 'CONNECT') ORDER BY r.rolname`,
          [database],
        )
        return rows.map(({ name, comment, connections, limit }): DatabaseUser => {
          const app = appOf(ownerOfText(comment).scope)
          return { name, connections, connectionLimit: limit, ...(app === undefined ? {} : { app }) }
        })
      })
    },

    async login({ app, as }) {
      return { host: '127.0.0.1', port: await reservePort(home, 'postgres-apps'), database: await existing(home, nameOf(app)), user: databaseUserName(platformId, as) }
    },

    backups: ({ app }) => readBackups(backupsFolder(home, nameOf(app))),

    async removeBackup({ app, backup, checkpoint }) {
      await checkpoint()
      await removeBackup(backupsFolder(home, nameOf(app)), backup)
    },

    async backup({ app, id, signal, checkpoint, log, by, version, scheduled }) {
      const database = await existing(home, nameOf(app))
      const folder = await openBackupsFolder(home, database)
      const done = await readBackup(folder, id)
      if (done !== undefined) return done
      await checkpoint()
      await removeUnfinished(folder)
      const [startedAt, started] = [new Date().toISOString(), performance.now()]
      const written = `${backupFile(folder, id)}.part`
      try {
        const { bytes, checksum, tables, rows, postgres, peakBytes } = await dumpDatabase({ connection: await superuserOf(home, database), file: written, signal, log })
        log(memoryLine(peakBytes))
        const backup: Backup = { id, app, by, ...(version === undefined ? {} : { version }), ...(scheduled ? { scheduled } : {}), startedAt, ms: Math.round(performance.now() - started), bytes, checksum, place: backupFile(folder, id), postgres, tables, rows }
        await checkpoint()
        await keepBackup({ folder, written, backup })
        await dropReplaced(home, database)
        return backup
      } catch (error) {
        await removeUnfinished(folder)
        throw error
      }
    },

    async restore({ app, id, backup: backupId, dropOld, signal, checkpoint, log }) {
      const database = await existing(home, nameOf(app))
      const folder = backupsFolder(home, database)
      const backup = await readBackup(folder, backupId)
      if (backup === undefined) throw new PilotError('NOT_FOUND', `There is no backup ${backupId} of this database`, { suggestion: '`db backups` lists them.' })
      await verifyBackup(backup)
      await refuseFullDisk(home, backup)
      const mark = `pilot restore ${id}`
      const [fresh, replaced] = [restoringName(database), replacedName(database)]
      return withTwo(home, `The restore of ${database}`, async (client, ender) => {
        if ((await commentOf(client, database)) === mark) {
          // Killed after the swap, it left its login.
          await dropRestoring(client, { fresh, user: restoreRole(database) })
          return finished({ client, database, replaced, dropOld, missingRoles: [] })
        }
        await checkpoint()
        const role = await openRestoreRole(client, database)
        try {
          await dropDatabase(client, fresh)
          await client.query(`CREATE DATABASE ${pg.escapeIdentifier(fresh)} OWNER ${pg.escapeIdentifier(database)} TEMPLATE template0`)
          await client.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(fresh)} FROM PUBLIC`)
          const superuser = await superuserOf(home, fresh)
          const { missingRoles, peakBytes } = await restoreDatabase({ file: backup.place, connection: { ...superuser, ...role }, superuser, owner: database, signal, log })
          log(memoryLine(peakBytes))
          await checkpoint()
          await dropDatabase(client, replaced)
          await swapDatabases({ client, ender, database, by: fresh, to: replaced, mark })
          return await finished({ client, database, replaced, dropOld, missingRoles })
        } finally {
          await dropRestoring(client, { fresh, user: role.user }).catch(async () => {
            // PostgreSQL went in the middle: what was begun goes when it is back.
            await asSuperuser(home, { doing: `What is left of the restore of ${database}` }, (again) => dropRestoring(again, { fresh, user: role.user }))
          })
        }
      })
    },

    async undoRestore({ app, id, checkpoint }) {
      const database = await existing(home, nameOf(app))
      const [replaced, between] = [replacedName(database), restoringName(database)]
      const mark = `pilot restore ${id}`
      return withTwo(home, `The restore of ${database}`, async (client, ender) => {
        if ((await commentOf(client, database)) !== mark) {
          if (!(await exists(client, replaced))) throw new PilotError('NOT_FOUND', `No earlier state of ${database} is kept`, { reason: 'It goes with the next backup, or with `db restore --drop-old`.', suggestion: '`db backups` lists what can be restored.' })
          await checkpoint()
          await dropDatabase(client, between)
          await swapDatabases({ client, ender, database, by: replaced, to: between, mark })
        }
        // Killed between these two, the next restore drops it: what was undone is the lesser loss.
        if (await exists(client, between)) await client.query(`ALTER DATABASE ${pg.escapeIdentifier(between)} RENAME TO ${pg.escapeIdentifier(replaced)}`)
        return { database, kept: replaced, missingRoles: [] }
      })
    },
  }
}

const memoryLine = (peakBytes: number): string => `Took at most ${Math.round(peakBytes / 1e6)} MB of memory`

async function existing(home: Home, database: string): Promise<string> {
  const found = await asSuperuser(home, { doing: `The database ${database}` }, (client) => exists(client, database))
  if (!found) throw new PilotError('NOT_FOUND', `There is no database ${database}`, { suggestion: 'Write `database: postgres` into pilot.yaml and deploy the app with `up`.' })
  return database
}

const exists = async (client: Client, database: string): Promise<boolean> => (await client.query('SELECT FROM pg_database WHERE datname = $1', [database])).rowCount === 1

async function commentOf(client: Client, database: string): Promise<string | null> {
  const { rows } = await client.query<{ comment: string | null }>("SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1", [database])
  return rows[0]?.comment ?? null
}

const dropDatabase = async (client: Client, database: string): Promise<void> => void (await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`))

async function dropRestoring(client: Client, { fresh, user }: { fresh: string; user: string }): Promise<void> {
  await dropDatabase(client, fresh)
  await client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(user)}`)
}

/** What a restore replaced goes when a later state is safe. */
const dropReplaced = (home: Home, database: string): Promise<void> => asSuperuser(home, { doing: `What the last restore of ${database} replaced` }, (client) => dropDatabase(client, replacedName(database)))

async function finished({ client, database, replaced, dropOld, missingRoles }: { client: Client; database: string; replaced: string; dropOld: boolean; missingRoles: readonly string[] }): Promise<Restored> {
  if (dropOld) await dropDatabase(client, replaced)
  return { database, ...(dropOld ? {} : { kept: replaced }), missingRoles }
}

/** A login that may do what the roles of this database may, and nothing else; its password lives as long as this call. */
async function openRestoreRole(client: Client, database: string): Promise<Pick<Connection, 'user' | 'password'>> {
  const [user, password] = [restoreRole(database), randomBytes(24).toString('base64url')]
  const quoted = pg.escapeIdentifier(user)
  const { rows } = await client.query<{ name: string }>('SELECT m.rolname AS name FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles o ON o.oid = a.roleid WHERE o.rolname = $1 AND m.rolname <> $2', [database, user])
  await dropDatabase(client, restoringName(database))
  await client.query(`DROP ROLE IF EXISTS ${quoted}`)
  await client.query(`CREATE ROLE ${quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD ${pg.escapeLiteral(await scramVerifier(password))}`)
  for (const name of [database, ...rows.map((row) => row.name)]) await client.query(`GRANT ${pg.escapeIdentifier(name)} TO ${quoted} WITH INHERIT TRUE, SET TRUE`)
  return { user, password }
}

async function superuserOf(home: Home, database: string): Promise<Connection> {
  const { socketDir, port, superuser } = await openCluster(home, 'apps')
  return { host: socketDir, port, user: superuser, password: await superuserPassword(home), database }
}

const withTwo = <T>(home: Home, doing: string, work: (client: Client, ender: Client) => Promise<T>): Promise<T> => asSuperuser(home, { doing }, (client) => asSuperuser(home, { doing }, (ender) => work(client, ender)))

/** The database needs some three times as much as its backup, at the least. */
async function refuseFullDisk(home: Home, { place }: Backup): Promise<void> {
  const { size } = await stat(place)
  const free = await freeSpace(home)
  if (free < size * 3) throw new PilotError('DISK_FULL', 'There is too little free space to restore this backup beside the database', { reason: `${Math.round(free / 1e6)} MB are free, and ${Math.round((size * 3) / 1e6)} MB are needed at the least.` })
}

function appOf(scope: string | undefined): AppIdentity | undefined {
  const [type, project, app, environment] = scope?.split('/') ?? []
  return type === 'app' && project && app && environment ? { project, app, environment } : undefined
}
