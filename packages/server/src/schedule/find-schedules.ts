import { appScope, listApps, listPlatforms, readLiveDeployment, type AppIdentity, type LifecycleContext } from '@pilot/core'
import type { Platforms } from '../wiring.ts'
import type { Schedule, ScheduleType } from './schedule.ts'

export interface FoundSchedules {
  readonly schedules: readonly Schedule[]
  /** Apps that are live, by `placeKey`, scheduled or not. */
  readonly live: ReadonlySet<string>
  /** What could not be read: absence there says nothing. Names of platforms, and places of apps. */
  readonly unread: ReadonlySet<string>
  readonly problems: readonly unknown[]
}

export interface FindOptions {
  readonly home: { readonly dir: string }
  readonly platforms: Platforms
  readonly serverId: string
  readonly types: readonly ScheduleType[]
}

/** The schedules of everything that is live and that this server manages: a script's apps are the script's. */
export async function findSchedules({ home, platforms, serverId, types }: FindOptions): Promise<FoundSchedules> {
  using _visit = platforms.visit()
  const schedules: Schedule[] = []
  const live = new Set<string>()
  const unread = new Set<string>()
  const problems: unknown[] = []
  for (const { name: platform } of await listPlatforms(home.dir)) {
    try {
      const { context } = await platforms.reader(platform)
      for (const app of await listApps(context)) {
        try {
          const found = await schedulesOf(context, { platform, app, serverId, types })
          if (found.isLive) live.add(placeKey(platform, app))
          schedules.push(...found.schedules)
        } catch (error) {
          problems.push(error)
          unread.add(placeKey(platform, app))
        }
      }
    } catch (error) {
      problems.push(error)
      unread.add(platform)
    }
  }
  return { schedules, live, unread, problems }
}

/** Of one app, as it is live at this moment. */
export async function schedulesOf(context: LifecycleContext, { platform, app, serverId, types }: { readonly platform: string; readonly app: AppIdentity } & Pick<FindOptions, 'serverId' | 'types'>): Promise<{ readonly isLive: boolean; readonly schedules: readonly Schedule[] }> {
  const deployment = await readLiveDeployment(context.store, app)
  if (deployment === undefined) return { isLive: false, schedules: [] }
  const schedules = types.flatMap(({ type, schedulesOf: of }) => of(deployment).map((schedule) => ({ ...schedule, platform, app, type, deployment })))
  if (schedules.length === 0) return { isLive: true, schedules }
  const { managedBy } = (await context.store.scope(appScope(app)).readState()) ?? {}
  return { isLive: true, schedules: managedBy === undefined || managedBy === serverId ? schedules : [] }
}

export const placeKey = (platform: string, { project, environment, app }: AppIdentity): string => [platform, project, environment, app].join('/')
