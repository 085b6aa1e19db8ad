import { PilotError, toPilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { Backup, DatabaseAdministration, DatabaseOperation, Restored } from '../provider/databases.ts'
import type { LifecycleContext } from './context.ts'
import { databaseOf } from './databases.ts'
import { liveDeployment } from './live.ts'
import { runPhase } from './phase.ts'
import { appTitle } from './scope.ts'
import { withApp, type AppSession } from './session.ts'

export interface BackupInput {
  readonly app: AppIdentity
  /** Made once by who asks: the same again returns the backup that was made. Default: from the time. */
  readonly id?: string
  /** It is made by a schedule: when it is there, older ones of the schedule go, up to so many. Those made by hand stay. */
  readonly keep?: number
}

export interface RestoreInput {
  readonly app: AppIdentity
  /** Id of a backup, or `undo`: what the last restore replaced comes back. */
  readonly backup: string | { readonly undo: true }
  /** Keep no copy of what is there now. Default false: it stays until the next backup. */
  readonly dropOld?: boolean
  /** Of this restore: the same again goes on with it. Default: from the time. */
  readonly id?: string
}

/** Backs up the database of an app (that of another app, where it shares one) as the owner of the scope that it belongs to. */
export const backupDatabase = (context: LifecycleContext, { app, id = idOfNow(), keep }: BackupInput): Promise<Backup> =>
  withDatabase(context, { app, action: 'backup' }, async ({ session, administration, call }) => {
    const live = liveDeployment(await session.state(), await session.ledger())
    const backup = await administration.backup({ ...call(id), by: context.by, ...(live ? { version: `v${live.number}` } : {}), ...(keep === undefined ? {} : { scheduled: true as const }) })
    if (keep !== undefined) await removeOldBackups(context, { app, keep, administration, call: call(id) })
    return { result: backup, detail: `${backup.rows} rows` }
  })

/** Deletes a backup as the owner of the scope. Throws NOT_FOUND, HELD. */
export async function deleteBackup(context: LifecycleContext, { app, backup }: { readonly app: AppIdentity; readonly backup: string }): Promise<Backup> {
  const { administration, of } = await databaseOf(context, app)
  return withApp(context, { app: of, action: 'backup' }, async (session) => {
    const found = (await administration.backups({ app: of, signal: context.signal })).find(({ id }) => id === backup)
    if (found === undefined) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no backup ${backup}`, { suggestion: '`db backups` lists them.' })
    await administration.removeBackup({ app: of, backup, signal: context.signal, checkpoint: () => session.lease.checkpoint() })
    return found
  })
}

/** Of the scheduled ones the newest `keep` stay. The backup is made: that others could not be deleted is a warning. */
async function removeOldBackups(context: LifecycleContext, { app, keep, administration, call }: { app: AppIdentity; keep: number; administration: DatabaseAdministration; call: DatabaseOperation }): Promise<void> {
  try {
    const scheduled = (await administration.backups(call)).filter((backup) => backup.scheduled)
    for (const { id } of scheduled.slice(0, -Math.max(1, keep))) {
      await administration.removeBackup({ ...call, backup: id })
      context.log(`Deleted the backup ${id}: the newest ${keep} stay`)
    }
  } catch (error) {
    const { message } = toPilotError(error)
    context.emit({ type: 'notice', app: app.app, level: 'warning', text: `The backup is made, but older ones could not be deleted: ${message}` })
  }
}

/** Puts a backup in the place of the database. The app runs on; its connections are cut for a moment. */
export const restoreDatabase = (context: LifecycleContext, { app, backup, dropOld = false, id = idOfNow() }: RestoreInput): Promise<Restored> =>
  withDatabase(context, { app, action: 'restore' }, async ({ administration, call }) => {
    const restored = typeof backup === 'string' ? await administration.restore({ ...call(id), backup, dropOld }) : await administration.undoRestore(call(id))
    if (restored.missingRoles.length > 0) {
      context.emit({ type: 'notice', app: app.app, level: 'warning', text: `The backup names roles that are none of this database's (${restored.missingRoles.join(', ')}): what was theirs belongs to its owner now, and what was granted to them is left out.` })
    }
    return { result: restored }
  })

async function withDatabase<T>(
  context: LifecycleContext,
  { app, action }: { app: AppIdentity; action: 'backup' | 'restore' },
  work: (found: { session: AppSession; administration: DatabaseAdministration; call(id: string): DatabaseOperation }) => Promise<{ result: T; detail?: string }>,
): Promise<T> {
  const { administration, of } = await databaseOf(context, app)
  return withApp(context, { app: of, action }, (session) =>
    runPhase(context, { app: app.app === of.app ? of : app, phase: action, ...(app.app === of.app ? {} : { detail: `the database of ${appTitle(of)}` }) }, () => {
      const signal = AbortSignal.any([context.signal, session.lease.signal])
      const call = (id: string): DatabaseOperation => ({ app: of, id, signal, log: (line) => context.log(line), checkpoint: () => session.lease.checkpoint() })
      return work({ session, administration, call })
    }),
  )
}

/** Sorts by time: `20261122-001500-123`. */
const idOfNow = (): string => new Date().toISOString().replaceAll(/[-:]/g, '').replace('T', '-').replace('.', '-').replace('Z', '')
