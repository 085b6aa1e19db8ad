import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { Backup, DatabaseAdministration, DatabaseInfo, DatabaseLogin, DatabaseUser } from '../provider/databases.ts'
import type { LifecycleContext } from './context.ts'
import { usersOfDatabase } from './deployed-apps.ts'
import { readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import { appScope, appTitle, generatedSecretPrefix } from './scope.ts'

/** Which database an app works with, and who else does. */
export interface DatabaseView extends DatabaseInfo {
  /** The app that it belongs to. */
  readonly of: AppIdentity
  readonly sharedWith: readonly AppIdentity[]
}

type Call = { readonly app: AppIdentity }

export async function databaseInfo(context: LifecycleContext, { app }: Call): Promise<DatabaseView> {
  const { administration, of } = await databaseOf(context, app)
  const [info, sharedWith] = await Promise.all([administration.info({ app: of, signal: context.signal }), usersOfDatabase(context, of)])
  return { ...info, of, sharedWith }
}

export async function databaseUsers(context: LifecycleContext, { app }: Call): Promise<readonly DatabaseUser[]> {
  const { administration, of } = await databaseOf(context, app)
  return administration.users({ app: of, signal: context.signal })
}

/** The login of this app, with its password. */
export async function databaseLogin(context: LifecycleContext, { app }: Call): Promise<DatabaseLogin & { readonly password: string }> {
  const { administration, of } = await databaseOf(context, app)
  const login = await administration.login({ app: of, as: app, signal: context.signal })
  const name = databasePasswordName(app)
  const stored = (await context.secrets.list(name)).find((secret) => secret.name === name)
  if (stored === undefined) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no login of its own`, { suggestion: 'Deploy it with `up`.' })
  return { ...login, password: await context.secrets.get({ $secret: { store: context.secrets.name, name, version: stored.version } }) }
}

/** Oldest first. */
export async function databaseBackups(context: LifecycleContext, { app }: Call): Promise<readonly Backup[]> {
  const { administration, of } = await databaseOf(context, app)
  return administration.backups({ app: of, signal: context.signal })
}

export const databasePasswordName = (app: AppIdentity): string => `${generatedSecretPrefix(app)}database-password`

/** What can be done with the database of an app, and whose it is. Throws NOT_FOUND where it has none. */
export async function databaseOf(context: LifecycleContext, app: AppIdentity): Promise<{ readonly administration: DatabaseAdministration; readonly of: AppIdentity }> {
  const scope = context.store.scope(appScope(app))
  const [state, ledger] = await Promise.all([scope.readState(), readLedger(scope)])
  const database = (liveDeployment(state, ledger) ?? ledger.deployments.at(-1))?.run.database
  if (database === undefined) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no database`, { suggestion: 'Write `database: postgres` into pilot.yaml, or deploy it with `up --db`.' })
  const administration = context.provider.database?.administration
  if (administration === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${context.platform.provider} does not administer databases`)
  return { administration, of: 'from' in database ? { ...app, app: database.from } : app }
}
