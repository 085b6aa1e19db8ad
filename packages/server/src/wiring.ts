import { createRedactor, findPlatform, openPlatform, secretPrefix, type AppIdentity, type LifecycleContext, type OpenPlatform, type OperationOptions, type PlatformRecord, type Redactor } from '@pilot/core'
import type { Providers } from './providers/installed.ts'

/**
 * The one place where the server puts a platform together: its record and store from the home, its provider from the
 * installed packages. Opened once per platform and kept, since connecting may cost time and clients hold sockets.
 */
export interface Platforms {
  /** By name; without one, the only platform. Throws NOT_FOUND, ANSWER_NEEDED, KIND_UNKNOWN. */
  open(name?: string): Promise<OpenPlatform>
  openRecord(record: PlatformRecord): Promise<OpenPlatform>
  /** A context that only reads. */
  reader(name?: string, signal?: AbortSignal): Promise<{ readonly context: LifecycleContext; readonly record: PlatformRecord }>
  /** The platform is gone, or its settings changed. */
  forget(id: string): Promise<void>
  close(): Promise<void>
}

export function openPlatforms({ home, providers, serverId }: { readonly home: string; readonly providers: Providers; readonly serverId: string }): Platforms {
  const opened = new Map<string, Promise<OpenPlatform>>()

  function openRecord(record: PlatformRecord): Promise<OpenPlatform> {
    const known = opened.get(record.id)
    if (known !== undefined) return known
    const opening = providers.load(record.provider.name).then(({ provider }) => openPlatform({ home, platform: record, provider }))
    opened.set(record.id, opening)
    opening.catch(() => opened.delete(record.id))
    return opening
  }

  async function forget(id: string): Promise<void> {
    const known = opened.get(id)
    opened.delete(id)
    await known?.then((platform) => platform.close()).catch(() => {})
  }

  const open = async (name?: string): Promise<OpenPlatform> => openRecord(await findPlatform(home, name))

  return {
    open,
    openRecord,
    async reader(name, signal) {
      const platform = await open(name)
      return { context: platform.context({ ...ownerOf(serverId), by: serverId, ...(signal ? { signal } : {}) }), record: platform.platform }
    },
    forget,
    async close() {
      await Promise.all([...opened.keys()].map(forget))
    },
  }
}

/** What stands in `managedBy` of every scope that this server changes. */
export const ownerOf = (serverId: string): Pick<OperationOptions, 'managedBy'> => ({ managedBy: serverId })

/** The server of a home is known by the home's id, so that it stays the owner when its database is lost. */
export const serverIdOf = (homeId: string): string => `server-${homeId.slice(0, 16)}`

/** Finds every secret of an app, also those that Pilot made for it, in what is written for people. */
export async function redactorOf({ secrets }: Pick<LifecycleContext, 'secrets'>, app: AppIdentity | undefined): Promise<Redactor> {
  const redactor = createRedactor()
  if (app === undefined) return redactor
  const prefixes = [secretPrefix(app), `generated/${secretPrefix(app)}`]
  const listed = (await Promise.all(prefixes.map((prefix) => secrets.list(prefix)))).flat()
  const values = await Promise.all(listed.map(({ name, version }) => secrets.get({ $secret: { store: secrets.name, name, version } }).catch(() => undefined)))
  for (const value of values) if (value !== undefined) redactor.add(value)
  return redactor
}
