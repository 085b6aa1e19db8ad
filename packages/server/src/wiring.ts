import { createRedactor, findPlatform, listPlatforms, openPlatform, PilotError, secretPrefix, type AppIdentity, type LifecycleContext, type OpenPlatform, type OperationOptions, type PlatformRecord, type Redactor, type SecretStore } from '@pilot/core'
import type { Providers } from './providers/installed.ts'

/**
 * The one place where the server puts a platform together: its record and store from the home, its provider from the
 * installed packages. Opened once per platform and its settings, and kept, since connecting may cost time and clients hold sockets.
 */
export interface Platforms {
  /** By name; without one, the only platform. Throws NOT_FOUND, ANSWER_NEEDED, KIND_UNKNOWN. */
  open(name?: string): Promise<OpenPlatform>
  /** With the settings of this moment, which may be newer than the record's. Throws NOT_FOUND when it is gone. */
  openRecord(record: PlatformRecord): Promise<OpenPlatform>
  /** A context that only reads. */
  reader(name?: string, signal?: AbortSignal): Promise<{ readonly context: LifecycleContext; readonly record: PlatformRecord }>
  /** Taken by whoever works with platforms, before opening one: what is replaced or forgotten meanwhile is closed only after it is disposed. */
  visit(): Disposable
  /** The platform is gone. */
  forget(id: string): Promise<void>
  close(): Promise<void>
}

export function openPlatforms({ home, providers, serverId }: { readonly home: string; readonly providers: Providers; readonly serverId: string }): Platforms {
  const opened = new Map<string, Opened>()
  const visits = new Set<Promise<void>>()
  const retired = new Set<Opened>()
  const closings = new WeakMap<Opened, Promise<void>>()
  let turn: Promise<unknown> = Promise.resolve()

  async function openRecord(record: PlatformRecord): Promise<OpenPlatform> {
    const known = opened.get(record.id)
    return known?.settings === settingsOf(record) ? known.platform : inTurn(() => openNewest(record)).then(({ platform }) => platform)
  }

  /** Settings may have changed since the record was read, here or by another runner: whoever comes late must not bring the old ones back. */
  async function openNewest({ id, name }: PlatformRecord): Promise<Opened> {
    const record = (await listPlatforms(home)).find((each) => each.id === id)
    if (record === undefined) throw new PilotError('NOT_FOUND', `There is no platform ${name} any more`)
    const settings = settingsOf(record)
    const known = opened.get(id)
    if (known?.settings === settings) return known
    const opening = { settings, platform: providers.load(record.provider.name).then(({ provider }) => openPlatform({ home, platform: record, provider })) }
    opened.set(id, opening)
    opening.platform.catch(() => opened.get(id) === opening && opened.delete(id))
    if (known !== undefined) retire(known)
    return opening
  }

  function retire(retiree: Opened): void {
    retired.add(retiree)
    void Promise.all(visits).then(() => close(retiree))
  }

  function close(retiree: Opened): Promise<void> {
    const closing = closings.get(retiree) ?? retiree.platform.then((open) => open.close()).catch(() => {}).finally(() => retired.delete(retiree))
    closings.set(retiree, closing)
    return closing
  }

  async function forget(id: string): Promise<void> {
    const known = opened.get(id)
    opened.delete(id)
    if (known !== undefined) retire(known)
  }

  /** One look at what is there and what is open at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work)
    turn = result.catch(() => {})
    return result
  }

  const open = async (name?: string): Promise<OpenPlatform> => openRecord(await findPlatform(home, name))

  return {
    open,
    openRecord,
    async reader(name, signal) {
      const platform = await open(name)
      return { context: platform.context({ ...ownerOf(serverId), by: serverId, ...(signal ? { signal } : {}) }), record: platform.platform }
    },
    visit() {
      const { promise, resolve } = Promise.withResolvers<void>()
      visits.add(promise)
      return { [Symbol.dispose]: () => (visits.delete(promise), resolve()) }
    },
    forget,
    async close() {
      await Promise.all([...opened.keys()].map(forget))
      await Promise.all([...retired].map((retiree) => close(retiree)))
    },
  }
}

interface Opened {
  readonly settings: string
  readonly platform: Promise<OpenPlatform>
}

const settingsOf = ({ settings }: PlatformRecord): string => JSON.stringify(settings)

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
    list: (...call) => secrets.list(...call),
    remove: (name) => secrets.remove(name),
    purge: (prefix) => secrets.purge(prefix),
    fingerprint: (value) => secrets.fingerprint(value),
  }
  if (app !== undefined) for (const value of await secretsOf(secrets, app)) redactor.add(value)
  return { redactor, secrets: watched }

  function noted(value: string): string {
    redactor.add(value)
    return value
  }
}

/**
 * All that an app has been trusted with: what was set, and what was made for it (the password of its database). The newest versions
 * of each, and what was unset, since deployments that still run, or whose logs are read, may hold an older one.
 */
export async function secretsOf(secrets: SecretStore, app: AppIdentity): Promise<readonly string[]> {
  const listed = (await Promise.all([secretPrefix(app), `generated/${secretPrefix(app)}`].map((prefix) => secrets.list(prefix, { removed: true })))).flat()
  const references = listed.flatMap(({ name, version }) => Array.from({ length: Math.min(version, versionsKnown) }, (_, back) => ({ $secret: { store: secrets.name, name, version: version - back } })))
  // One that cannot be read can stand in no log of today either.
  const values = await Promise.all(references.map((reference) => secrets.get(reference).catch(() => undefined)))
  return values.filter((value) => value !== undefined)
}

const versionsKnown = 20
