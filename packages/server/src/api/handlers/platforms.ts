import { platformScope, readPlatforms, type BrokenPlatform, type PlatformRecord } from '@pilot/core'
import type { Platform } from '../../contract/platforms.ts'
import { planPlatform } from '../../platforms/setup.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

export function platformHandlers(services: Services) {
  const { home, providers, platforms, serverId } = services
  return {
    async platforms({ signal }) {
      return { platforms: await platformViews(services, signal) }
    },
    async planPlatform({ body, signal }) {
      return planPlatform({ home: home.dir, providers, platforms, serverId, input: body, signal })
    },
  } satisfies Partial<Handlers>
}

export async function platformViews(services: Services, signal: AbortSignal, name?: string): Promise<Platform[]> {
  const { platforms, broken } = await readPlatforms(services.home.dir)
  const unfinished = await services.db.selectFrom('jobs').select(['platform', 'action']).where('scope', '=', platformScope).where('state', 'in', ['queued', 'running']).execute()
  const views = await Promise.all(platforms.filter((record) => name === undefined || record.name === name).map((record) => platformView(services, record, { job: unfinished.find(({ platform }) => platform === record.name)?.action, signal })))
  return [...views, ...broken.filter(({ id }) => name === undefined || id === name).map(brokenView)]
}

/** Its id stands for its name, which nobody can read. */
function brokenView({ id, error: { message, reason } }: BrokenPlatform): Platform {
  return { id, name: id, provider: 'unknown', createdAt: '', settings: {}, state: 'unusable', problem: reason === undefined ? message : `${message}: ${reason}` }
}

async function platformView({ platforms }: Services, record: PlatformRecord, { job, signal }: { job: string | undefined; signal: AbortSignal }): Promise<Platform> {
  const { id, name, provider, createdAt, settings } = record
  const base = { id, name, provider: provider.name, createdAt, settings: { ...settings } }
  try {
    const platform = await platforms.openRecord(record)
    const { store } = platform.context({ by: '', managedBy: '', signal })
    const state = await store.scope(platformScope).readState()
    const isReady = state !== undefined && state.resources.every(({ status }) => status === 'ready' || status === 'deposed')
    return { ...base, state: job === 'destroy-platform' ? 'destroying' : job === 'setup' || !isReady ? 'setting-up' : 'ready', ...(state?.managedBy === undefined ? {} : { managedBy: state.managedBy }) }
  } catch (error) {
    return { ...base, state: 'unusable', problem: (error as Error).message }
  }
}
