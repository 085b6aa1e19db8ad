import { appTitle, configurationHistory, diffConfigurations, listConfiguration, listSecrets, removeSecret, storeSecrets, type AppIdentity } from '@pilot/core'
import { activityStream, appendEvents } from '../../events/streams.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'

/** Environment variables and secrets of an app, which may be set before its first deployment. */
export function configurationHandlers(services: Services) {
  return {
    async env({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      const { lines, pending, ...versions } = await listConfiguration(context, { app })
      return { ...versions, ...(pending ? { pending: { ...pending, names: [...pending.names] } } : {}), values: lines.map(({ name, hides, ...line }) => ({ key: name, ...line, ...(hides.length > 0 ? { hides: [...hides] } : {}) })) }
    },

    async envHistory({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      return { versions: (await configurationHistory(context, { app })).map((version) => ({ ...version, changes: [...version.changes] })) }
    },

    async envDiff({ params: app, query: { platform, from, to }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      const diff = await diffConfigurations(context, { app, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) })
      return { ...diff, changes: [...diff.changes] }
    },

    async secrets({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      return { secrets: [...(await listSecrets(context, { app }))] }
    },

    async putSecrets({ params: app, query: { platform }, body: { values }, by, signal }) {
      const { context, name: onPlatform } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      const stored = await storeSecrets(context, { app, values })
      await report({ what: 'secret.set', by, platform: onPlatform, app, text: `set ${Object.keys(values).join(', ')} of ${appTitle(app)}` })
      return { stored: [...stored] }
    },

    async removeSecret({ params: { name, ...app }, query: { platform }, by, signal }) {
      const { context, name: onPlatform } = await placeOf(services, app, { platform, signal, mayBeNew: true })
      await removeSecret(context, { app, name })
      await report({ what: 'secret.unset', by, platform: onPlatform, app, text: `removed ${name} of ${appTitle(app)}` })
      return { done: true as const }
    },
  } satisfies Partial<Handlers>

  async function report({ app: { project, environment, app }, ...activity }: { what: string; by: string; platform: string; app: AppIdentity; text: string }): Promise<void> {
    await appendEvents(services.db, activityStream, [{ body: { ...activity, project, environment, apps: [app] } }])
  }
}
