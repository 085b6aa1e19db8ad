import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect } from 'vitest'
import { isPilotError, type PilotError } from '../errors/pilot-error.ts'
import type { EventBody } from '../events/event.ts'
import { openPlatform, type OpenPlatform, type OperationOptions } from '../platform/open-platform.ts'
import { platformDir, registerPlatform } from '../platform/registry.ts'
import type { ScopeStore } from '../store/store.ts'
import { defineFakeProvider, type FakeAccount, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { definition } from '../testing/definition.ts'
import { contentId } from './ledger.ts'
import type { PackedSource } from './app-definition.ts'
import type { LifecycleContext } from './context.ts'
import type { UpResult } from './phases.ts'
import { up } from './up.ts'

export interface Workplace extends AsyncDisposable {
  readonly cloud: FakeAccount
  readonly platform: OpenPlatform
  /** Where the platform keeps its records, for tests that lose some. */
  readonly storeDir: string
  readonly context: LifecycleContext
  /** Another operation on the same platform: another owner, another signal. */
  operation(options?: Partial<OperationOptions>): LifecycleContext
  readonly events: EventBody[]
}

/** A platform of its own on an account of its own of the fake cloud. */
export async function openWorkplace(cloud: FakeCloud): Promise<Workplace> {
  const home = await mkdtemp(join(tmpdir(), 'pilot-lifecycle-'))
  const account = cloud.account(contentId(home, 12))
  const record = await registerPlatform(home, { name: 'fake', provider: { name: 'fake', package: '@pilot/core', version: '0.0.0' }, settings: { url: account.url } })
  const platform = await openPlatform({ home, platform: record, provider: defineFakeProvider() })
  const events: EventBody[] = []
  const operation = (options: Partial<OperationOptions> = {}) => platform.context({ by: 'ada', managedBy: 'server-1', emit: (event) => events.push(event), ...options })
  return {
    cloud: account,
    platform,
    storeDir: join(platformDir(home, record.id), 'store'),
    context: operation(),
    operation,
    events,
    async [Symbol.asyncDispose]() {
      await platform.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

export const shop = definition().app

export const sourceOf = (text: string, files: readonly string[] = ['index.js']): PackedSource => ({
  record: { digest: `sha256:${contentId(text, 40)}` },
  facts: { files, text: () => text },
  open: async () => Readable.from([text]),
})

/** The error of work that has to fail. */
export const failure = (work: Promise<unknown>): Promise<PilotError> =>
  work.then(
    () => expect.fail('it went well'),
    (error: unknown) => (isPilotError(error) ? error : expect.fail(String(error))),
  )

/** What exists in the cloud. */
export const types = async ({ cloud }: Workplace): Promise<readonly string[]> => (await cloud.resources()).map(({ type }) => type).sort()

export const ship = (place: Workplace, text: string, changes: Parameters<typeof definition>[1] = {}): Promise<UpResult> => up(place.context, { app: definition('api', changes), source: sourceOf(text) })

/** A disk that is full as soon as a release is to be written. */
export function withoutReleases(context: LifecycleContext): LifecycleContext {
  const scope = (name: string): ScopeStore => {
    const store = context.store.scope(name)
    return { ...store, putRecord: (type, ...rest) => (type === 'release' ? Promise.reject(new Error('no disk')) : store.putRecord(type, ...rest)) }
  }
  return { ...context, store: { ...context.store, scope } }
}
