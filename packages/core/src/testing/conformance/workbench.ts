import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError } from '../../errors/pilot-error.ts'
import { kindsByName, orderGraph } from '../../graph/graph.ts'
import { resourceName, resourceToken } from '../../graph/identity.ts'
import { resolveValue, type Outputs } from '../../graph/resolve.ts'
import type { Resource } from '../../provider/graph.ts'
import type { AnyKind, Call, Listed, Ownership, Reading } from '../../provider/kind.ts'
import type { Capabilities } from '../../provider/provider.ts'
import type { SecretRef } from '../../provider/value.ts'
import { createFileSecretStore } from '../../secrets/file-secret-store.ts'
import { createRedactor, type Redactor } from '../../secrets/redactor.ts'
import type { SecretStore } from '../../secrets/secret-store.ts'
import type { ConformanceEnvironment, KindSample, ProviderConformanceOptions, SampleContext } from './options.ts'

/**
 * Drives kinds without an engine, one call at a time, as the engine would: names and tokens by owner, settling until ready.
 * A bench is one platform; everything made on it is deleted when it closes.
 */
export interface Bench {
  readonly platformId: string
  readonly capabilities: Capabilities
  readonly context: SampleContext
  kind(name: string): AnyKind
  /** Resolved and parsed inputs of a resource of this bench. */
  inputs(resource: Resource): Promise<Record<string, unknown>>
  /** Makes everything that the sample needs, and returns the sample's own resource, not made yet. */
  prepare(sample: KindSample): Promise<Resource>
  /** Creates and settles. */
  make(resource: Resource): Promise<Made>
  create(resource: Resource, change?: CallChange): Promise<{ readonly id: string; readonly operation?: string }>
  settle(made: Pick<Made, 'resource' | 'id' | 'operation'>): Promise<Record<string, unknown>>
  read(made: Pick<Made, 'resource' | 'id'>, through?: Capabilities): Promise<Reading<Record<string, unknown>, Record<string, unknown>> | undefined>
  list(kind: string, through?: Capabilities): Promise<readonly Listed[]>
  update(made: Made, changes: Readonly<Record<string, unknown>>, change?: CallChange): Promise<void>
  /** Asks to delete and waits until it is gone. */
  delete(made: Pick<Made, 'resource' | 'id'>, change?: CallChange): Promise<void>
  /** The provider connected once more, as another process would. */
  reconnect(): Promise<Capabilities>
  /** Everything that handlers said: log lines, results, errors. A secret must not be in it. */
  readonly said: readonly string[]
  readonly redactor: Redactor
  close(): Promise<void>
}

export interface Made {
  readonly resource: Resource
  readonly id: string
  readonly operation?: string
  readonly outputs: Record<string, unknown>
}

export interface CallChange {
  readonly checkpoint?: () => Promise<void>
  readonly name?: string
}

/** What a suite shares: the environment, started with the first check that needs it. */
export interface Workshop {
  environment(): Promise<ConformanceEnvironment>
  open(): Promise<Bench>
  close(): Promise<void>
}

export const leaseLost = () => Promise.reject(new PilotError('LEASE_LOST', 'The lease was lost'))

export function workshop({ provider, setUp }: Pick<ProviderConformanceOptions, 'provider' | 'setUp'>): Workshop {
  let started: Promise<ConformanceEnvironment> | undefined
  const environment = () => (started ??= setUp())
  return {
    environment,
    async open() {
      const found = await environment()
      const platformId = randomBytes(16).toString('hex')
      const folder = await mkdtemp(join(tmpdir(), 'pilot-conformance-'))
      const secrets = createFileSecretStore({ dir: folder, key: randomBytes(32) })
      const connect = async () => provider.connect({ platformId, platformName: 'conformance', settings: provider.settings.parse(found.settings), home: found.home, secrets })
      const planted = `planted-${randomBytes(12).toString('hex')}`
      const secret = await secrets.put('conformance/planted', planted)
      return bench({ connect, platformId, environment: found, secrets, secret, redactor: createRedactor([planted]), dispose: () => rm(folder, { recursive: true, force: true }) })
    },
    async close() {
      await (await started)?.tearDown()
      started = undefined
    },
  }
}

interface BenchParts {
  readonly connect: () => Promise<Capabilities>
  readonly platformId: string
  readonly environment: ConformanceEnvironment
  readonly secrets: SecretStore
  readonly secret: SecretRef
  readonly redactor: Redactor
  readonly dispose: () => Promise<void>
}

async function bench({ connect, platformId, environment, secrets, secret, redactor, dispose }: BenchParts): Promise<Bench> {
  const capabilities = await connect()
  const connections = [capabilities]
  const app = { project: 'conformance', app: 'api', environment: 'production' }
  const context: SampleContext = { environment, app, unique: randomBytes(4).toString('hex'), secret }
  const scope = `app/${app.project}/${app.app}/${app.environment}`
  const outputs = new Map<string, Record<string, unknown>>()
  const made: Pick<Made, 'resource' | 'id'>[] = []
  const said: string[] = []

  const self: Bench = {
    platformId,
    capabilities,
    context,
    kind: (name) => kindIn(capabilities, name),

    async inputs(resource) {
      const resolved = await resolveValue(resource.inputs, outputs as Outputs, secrets)
      const parsed = self.kind(resource.kind).inputs.safeParse(resolved)
      assert.ok(parsed.success, `the sample's inputs do not fit ${resource.kind}: ${parsed.error?.message}`)
      return parsed.data as Record<string, unknown>
    },
    async prepare(sample) {
      const graph = sample.graph(context)
      const subject = graph.at(-1)
      assert.equal(subject?.kind, sample.kind, `the last resource of the sample is a ${subject?.kind}, not a ${sample.kind}`)
      for (const resource of orderGraph(graph, kindsByName(capabilities.kinds)).order) if (resource.key !== subject!.key) await self.make(resource)
      return subject!
    },
    async make(resource) {
      const created = await self.create(resource)
      const ready = await self.settle({ resource, ...created })
      outputs.set(resource.key, ready)
      return { resource, ...created, outputs: ready }
    },
    async create(resource, change) {
      const inputs = await self.inputs(resource)
      const created = await heard(() => self.kind(resource.kind).create({ ...call(resource, change), inputs }))
      assert.equal(typeof created.id, 'string', 'create returned no id')
      assert.notEqual(created.id, '', 'create returned an empty id')
      if (!made.some(({ id, resource: { kind } }) => id === created.id && kind === resource.kind)) made.push({ resource, id: created.id })
      return created
    },
    async settle({ resource, id, operation }) {
      const kind = self.kind(resource.kind)
      const inputs = await self.inputs(resource)
      const started = performance.now()
      for (;;) {
        const elapsedMs = performance.now() - started
        const settled = await heard(() => kind.settle({ ...call(resource), id, inputs, elapsedMs, ...(operation === undefined ? {} : { operation }) }))
        if (settled.status === 'failed') throw settled.error ?? new Error(`${resource.kind} failed to settle: ${settled.reason}`)
        if (settled.status === 'ready') return parsedOutputs(kind, settled.outputs)
        operation = settled.operation ?? operation
        assert.ok(elapsedMs < (kind.settleTimeoutMs ?? 600_000), `${resource.kind} did not settle within its own limit`)
        await sleep(settled.retryAfterMs ?? 100)
      }
    },
    async read({ resource, id }, through = capabilities) {
      const reading = await heard(async () => kindIn(through, resource.kind).read({ ...call(resource), id, recorded: await self.inputs(resource) }))
      if (reading === undefined) return undefined
      return { inputs: reading.inputs as Record<string, unknown>, outputs: parsedOutputs(self.kind(resource.kind), reading.outputs) }
    },
    list: (kind, through = capabilities) => heard(() => kindIn(through, kind).list({ platformId, signal: deadline(self.kind(kind)) })),
    async update(subject, changes, change) {
      const { resource, id } = subject
      const changed = { ...resource, inputs: { ...resource.inputs, ...changes } as Resource['inputs'] }
      const inputs = await self.inputs(changed)
      const accepted = await heard(async () => self.kind(resource.kind).update!({ ...call(resource, change), id, inputs, recorded: await self.inputs(resource), changed: Object.keys(changes) }))
      await self.settle({ resource: changed, id, ...accepted })
    },
    async delete({ resource, id }, change) {
      const kind = self.kind(resource.kind)
      const started = performance.now()
      const inTime = () => assert.ok(performance.now() - started < (kind.settleTimeoutMs ?? 600_000), `${resource.kind} still exists after its own limit`)
      let operation: string | undefined
      for (;;) {
        const deleted = await heard(async () => kind.delete({ ...call(resource, change), id, recorded: await self.inputs(resource), ...(operation === undefined ? {} : { operation }) }))
        if (deleted.again === undefined) break
        operation = deleted.operation ?? operation
        inTime()
        await sleep(deleted.again.afterMs)
      }
      while ((await self.read({ resource, id })) !== undefined) {
        inTime()
        await sleep(100)
      }
    },
    async reconnect() {
      const again = await connect()
      connections.push(again)
      return again
    },
    said,
    redactor,
    async close() {
      const failures: unknown[] = []
      for (const each of made.toReversed()) await self.delete(each).catch((error: unknown) => failures.push(error))
      for (const connection of connections) await connection.close()
      await dispose()
      if (failures.length > 0) throw new AggregateError(failures, `what the check made could not be deleted: ${failures.map(String).join('; ')}`)
    },
  }
  return self

  function call({ kind, key }: Resource, { checkpoint = async () => {}, name }: CallChange = {}): Call {
    const owner: Ownership = { platformId, scope, key, generation: 1 }
    return { owner, name: name ?? resourceName(owner), token: resourceToken(owner), signal: deadline(self.kind(kind)), checkpoint, log: (line) => void said.push(line) }
  }

  async function heard<T>(run: () => Promise<T>): Promise<T> {
    try {
      const value = await run()
      said.push(JSON.stringify(value) ?? '')
      return value
    } catch (error) {
      said.push(`${String(error)} ${JSON.stringify(error)}`)
      throw error
    }
  }
}

function kindIn({ kinds }: Capabilities, name: string): AnyKind {
  const kind = kinds.find((each) => each.kind === name)
  assert.ok(kind, `the provider has no kind ${name}`)
  return kind
}

function parsedOutputs(kind: AnyKind, outputs: unknown): Record<string, unknown> {
  const parsed = kind.outputs.safeParse(outputs)
  assert.ok(parsed.success, `the outputs of ${kind.kind} do not fit its own schema: ${parsed.error?.message}`)
  assert.deepEqual(JSON.parse(JSON.stringify(outputs)), outputs, `the outputs of ${kind.kind} are not plain JSON`)
  return parsed.data as Record<string, unknown>
}

const deadline = (kind: AnyKind) => AbortSignal.timeout(kind.callTimeoutMs ?? 60_000)
