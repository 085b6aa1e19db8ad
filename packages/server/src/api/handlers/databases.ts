import { appTitle, databaseBackups, databaseInfo, databaseLogin, databaseUsers, deleteBackup, listVolumes } from '@pilot/core'
import { activityStream, appendEvents } from '../../events/streams.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'

/** The data of an app: its database, its volumes. What changes them are operations. */
export function databaseHandlers(services: Services) {
  return {
    async database({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return databaseInfo(context, { app })
    },

    async databaseUsers({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return { users: [...(await databaseUsers(context, { app }))] }
    },

    async databaseLogin({ params: app, query: { platform }, by, signal }) {
      const { context, name } = await placeOf(services, app, { platform, signal })
      const login = await databaseLogin(context, { app })
      const { project, environment } = app
      await appendEvents(services.db, activityStream, [{ body: { what: 'database.login', by, platform: name, project, environment, apps: [app.app], text: `took the login of the database of ${appTitle(app)}` } }])
      return login
    },

    async backups({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return { backups: (await databaseBackups(context, { app })).toReversed() }
    },

    async deleteBackup({ params: { backup, ...app }, query: { platform }, by, signal }) {
      const { context, name } = await placeOf(services, app, { platform, signal })
      await deleteBackup({ ...context, by, waitForLeaseMs: 5_000 }, { app, backup })
      const { project, environment } = app
      await appendEvents(services.db, activityStream, [{ body: { what: 'backup.deleted', by, platform: name, project, environment, apps: [app.app], text: `deleted the backup ${backup} of ${appTitle(app)}` } }])
      return { done: true as const }
    },

    async volumes({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return { volumes: [...(await listVolumes(context, { app }))] }
    },
  } satisfies Partial<Handlers>
}
