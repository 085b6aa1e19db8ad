import { appTitle, listAppsWithSecrets, listPlatforms, PilotError, type AppIdentity, type LifecycleContext } from '@pilot/core'
import type { Services } from '../services.ts'

export interface AppPlace {
  readonly context: LifecycleContext
  /** Of the platform. */
  readonly name: string
}

/** On which platform an app lives: the named one, else the only one that has it. `mayBeNew`: it need not be there yet. */
export async function placeOf({ platforms, home }: Pick<Services, 'platforms' | 'home'>, app: AppIdentity, { platform, signal, mayBeNew = false }: { platform: string | undefined; signal: AbortSignal; mayBeNew?: boolean }): Promise<AppPlace> {
  if (platform !== undefined) {
    const place = await open(platform)
    if (!mayBeNew && !(await has(place))) throw unknownApp(app, place.name)
    return place
  }
  const places = await allPlaces()
  if (places.length === 1) return places[0]!
  if (mayBeNew) return open(undefined)
  if (places.length === 0) throw unknownApp(app)
  throw new PilotError('ANSWER_NEEDED', `${appTitle(app)} is on several platforms`, { reason: `They are ${places.map(({ name }) => name).join(', ')}.`, suggestion: 'Name one with `--platform`.' })

  async function open(name: string | undefined): Promise<AppPlace> {
    const { context, record } = await platforms.reader(name, signal)
    return { context, name: record.name }
  }

  async function allPlaces(): Promise<readonly AppPlace[]> {
    const records = await listPlatforms(home.dir)
    const found = await Promise.all(
      records.map(async ({ name }) => {
        const place = await open(name).catch(() => undefined)
        return place !== undefined && (await has(place)) ? place : undefined
      }),
    )
    return found.filter((place) => place !== undefined)
  }

  async function has({ context }: AppPlace): Promise<boolean> {
    return (await listAppsWithSecrets(context, app)).length > 0
  }
}

const unknownApp = (app: AppIdentity, platform?: string): PilotError =>
  new PilotError('NOT_FOUND', `There is no app ${appTitle(app)}${platform === undefined ? '' : ` on ${platform}`}`, { suggestion: '`status` lists what there is; `up` deploys it.' })
