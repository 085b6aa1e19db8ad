import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { isPilotError, type PilotError } from '../errors/pilot-error.ts'
import type { EventBody } from '../events/event.ts'
import type { Graph, Resource } from '../provider/graph.ts'
import type { AnyKind } from '../provider/kind.ts'
import { ref } from '../provider/value.ts'
import { createFileSecretStore } from '../secrets/file-secret-store.ts'
import { loadOrCreateKey } from '../secrets/key-file.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import type { ScopeStore } from '../store/store.ts'
import { fakeKinds, type FakeAccount, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'

export const platformId = 'p1'
export const consistencyMs = 300

/** An empty account and an empty scope, with real files below, and an engine that waits briefly. */
export interface Bench {
  readonly account: FakeAccount
  readonly dir: string
  readonly scope: ScopeStore
  readonly secrets: SecretStore
  readonly events: EventBody[]
  readonly kinds: readonly AnyKind[]
  /** As a new process would see it: it knows what the store knows. */
  engine(options?: Partial<EngineOptions>): Engine
  /** `key` and action of what the cloud was asked to change, in order: `create network`. */
  changes(): Promise<readonly string[]>
  keys(): Promise<readonly string[]>
}

let benches = 0

export async function openBench(cloud: FakeCloud): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-engine-'))
  const account = cloud.account(`engine${process.pid}-${++benches}`)
  const scope = createFileStore({ dir: join(dir, 'store') }).scope('platform')
  const secrets = createFileSecretStore({ dir: join(dir, 'secrets'), key: await loadOrCreateKey(join(dir, 'key')) })
  const lease = await acquireLease({ store: scope, title: 'test' })
  onTestFinished(async () => {
    await lease.release()
    await rm(dir, { recursive: true })
  })
  const events: EventBody[] = []
  const kinds = fakeKinds({ url: account.url, consistencyMs })
  return {
    account,
    dir,
    scope,
    secrets,
    events,
    kinds,
    engine: (options = {}) =>
      createEngine({
        kinds,
        scope,
        lease,
        platformId,
        secrets,
        emit: (event) => void events.push(event),
        lateArrivalMs: 50,
        cancelGraceMs: 2_000,
        retry: { firstPauseMs: 20, longestPauseMs: 100, blockedMs: 600, throttledAttempts: 20 },
        ...options,
      }),
    async changes() {
      const names = new Map<string, string>()
      return (await account.calls()).flatMap(({ operation, id, key, generation }) => {
        if (operation === 'create' && id !== undefined) names.set(id, `${key}${generation === '1' ? '' : `#${generation}`}`)
        return operation === 'get' || operation === 'list' ? [] : [`${operation} ${names.get(id ?? '') ?? key ?? id}`]
      })
    },
    keys: async () => (await account.resources()).map(({ marks }) => marks['key']!).toSorted(),
  }
}

export const network = (key = 'network', inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/network', inputs })
export const server = (key = 'server', inputs: Resource['inputs'] = {}, on = 'network'): Resource => ({ key, kind: 'fake/server', inputs: { network: ref(on).output('id'), ...inputs } })
export const database = (key = 'database', inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/database', inputs })
export const rule = (key = 'rule', slot = 'web', target = 'server', inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/rule', inputs: { slot, target: ref(target).output('id'), ...inputs } })

export const actions = ({ steps }: { readonly steps: readonly { key: string; action: string }[] }): readonly string[] => steps.map(({ key, action }) => `${action} ${key}`)

export async function failure(promise: Promise<unknown>): Promise<PilotError> {
  try {
    await promise
  } catch (error) {
    if (isPilotError(error)) return error
    throw error
  }
  throw new Error('It did not fail')
}

export type { Graph }
