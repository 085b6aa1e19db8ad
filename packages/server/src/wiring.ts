import { createRedactor, findPlatform, openPlatform, secretPrefix, type AppIdentity, type LifecycleContext, type OpenPlatform, type OperationOptions, type PlatformRecord, type Redactor, type SecretStore } from '@pilot/core'
import type { Providers } from './providers/installed.ts'

/**
 * The one place where the server puts a platform together: its record and store from the home, its provider from the
 * installed packages. Opened once per platform and its settings, and kept, since connecting may cost time and clients hold sockets.
 */
export interface Platforms {
  /** By name; without one, the only platform. Throws NOT_FOUND, ANSWER_NEEDED, KIND_UNKNOWN. */
  open(name?: string): Promise<OpenPlatform>
  openRecord(record: PlatformRecord): Promise<OpenPlatform>
  /** A context that only reads. */
  reader(name?: string, signal?: AbortSignal): Promise<{ readonly context: LifecycleContext; readonly record: PlatformRecord }>
  /** The platform is gone. */
  forget(id: string): Promise<void>
  close(): Promise<void>
}

export function openPlatforms({ home, providers, serverId }: { readonly home: string; readonly providers: Providers; readonly serverId: string }): Platforms {
  const opened = new Map<string, { readonly settings: string; readonly platform: Promise<OpenPlatform> }>()

  async function openRecord(record: PlatformRecord): Promise<OpenPlatform> {
    const settings = JSON.stringify(record.settings)
    const known = opened.get(record.id)
    if (known?.settings === settings) return known.platform
    const opening = { settings, platform: providers.load(record.provider.name).then(({ provider }) => openPlatform({ home, platform: record, provider })) }
    opened.set(record.id, opening)
    opening.platform.catch(() => opened.get(record.id) === opening && opened.delete(record.id))
    // Another runner may have changed the settings; here nobody works with the old ones any more.
    await close(known?.platform)
    return opening.platform
  }

  async function forget(id: string): Promise<void> {
    const known = opened.get(id)
    opened.delete(id)
    await close(known?.platform)
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

const close = async (platform: Promise<OpenPlatform> | undefined): Promise<void> => platform?.then((open) => open.close()).catch(() => {})

/** What stands in `managedBy` of every scope that this server changes. */
export const ownerOf = (serverId: string): Pick<OperationOptions, 'managedBy'> => ({ managedBy: serverId })

/** The server of a home is known by the home's id, so that it stays the owner when its database is lost. */
export const serverIdOf = (homeId: string): string => `server-${homeId.slice(0, 16)}`

/**
 * Keeps the secrets of an operation out of what is written for people: all that the app has when it begins, and each that is
 * made or read while it runs (a database's new password, another app's address).
 */
export async function operationRedactor(secrets: SecretStore, app: AppIdentity | undefined): Promise<{ readonly redactor: Redactor; readonly secrets: SecretStore }> {
  const redactor = createRedactor()
  const watched: SecretStore = {
    name: secrets.name,
    put: (name, value) => (redactor.add(value), secrets.put(name, value)),
    ensure: (name, create) => secrets.ensure(name, () => noted(create())),
    get: async (reference) => noted(await secrets.get(reference)),
    list: (prefix) => secrets.list(prefix),
    remove: (name) => secrets.remove(name),
    purge: (prefix) => secrets.purge(prefix),
    fingerprint: (value) => secrets.fingerprint(value),
  }
  if (app !== undefined) {
    const listed = (await Promise.all([secretPrefix(app), `generated/${secretPrefix(app)}`].map((prefix) => secrets.list(prefix)))).flat()
    await Promise.all(listed.map(({ name, version }) => watched.get({ $secret: { store: secrets.name, name, version } }).catch(() => undefined)))
  }
  return { redactor, secrets: watched }

  function noted(value: string): string {
    redactor.add(value)
    return value
  }
}
