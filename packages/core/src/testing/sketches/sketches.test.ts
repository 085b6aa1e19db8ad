import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createEngine } from '../../graph/engine.ts'
import type { Graph, Resource } from '../../provider/graph.ts'
import type { AnyKind } from '../../provider/kind.ts'
import { contractVersion, defineProvider, type AnyProvider } from '../../provider/provider.ts'
import { ref, type Input } from '../../provider/value.ts'
import { createFileSecretStore } from '../../secrets/file-secret-store.ts'
import { createFileStore } from '../../store/file-store.ts'
import { acquireLease } from '../../store/lease.ts'
import { defineProviderConformance, type KindSample } from '../conformance.ts'
import { awsClient } from './aws.ts'
import { cloudFrontKind } from './aws-cloudfront.ts'
import { ecsServiceKind, listenerRuleKind } from './aws-ecs.ts'
import { rdsInstanceKind } from './aws-rds-instance.ts'
import { startAwsStub } from './aws-stub.ts'
import { vpcKind } from './aws-vpc.ts'
import { gcpClient } from './gcp.ts'
import { cloudRunServiceKind } from './gcp-cloud-run-service.ts'
import { cloudRunTrafficKind } from './gcp-cloud-run-traffic.ts'
import { cloudSqlKind } from './gcp-cloud-sql.ts'
import { gcpNetworkKind } from './gcp-network.ts'
import { startGcpStub } from './gcp-stub.ts'

/**
 * Do resources of real clouds fit the contract? Each sketch is a kind as a provider would write it, against a server that
 * refuses what its cloud refuses; the conformance suite and the engine drive them.
 */
const awsKinds = (endpoint: string): readonly AnyKind[] => [vpcKind, rdsInstanceKind, ecsServiceKind, listenerRuleKind, cloudFrontKind].map((kind) => kind(awsClient(endpoint)) as AnyKind)
const gcpKinds = (endpoint: string): readonly AnyKind[] => [gcpNetworkKind, cloudSqlKind, cloudRunServiceKind, cloudRunTrafficKind].map((kind) => kind(gcpClient(endpoint)) as AnyKind)

const sketch = (name: string, kinds: (endpoint: string) => readonly AnyKind[]): AnyProvider =>
  defineProvider({
    name,
    title: `A sketch of ${name}`,
    contract: contractVersion,
    settings: z.object({ endpoint: z.string().describe('Where its stub answers') }),
    check: async () => [],
    connect: async ({ settings }) => ({ kinds: kinds(settings.endpoint), platform: () => ({ resources: [], outputs: {} }), compute: {}, builders: [], async close() {} }),
  })

const environment = (start: () => Promise<{ url: string; close(): Promise<void> }>) => async () => {
  const [stub, home] = [await start(), await mkdtemp(join(tmpdir(), 'pilot-sketch-'))]
  return {
    settings: { endpoint: stub.url },
    home,
    async tearDown() {
      await stub.close()
      await rm(home, { recursive: true })
    },
  }
}

const vpc: Resource = { key: 'vpc', kind: 'aws/vpc', inputs: { cidr: '10.0.0.0/16', dnsHostnames: true } }
const database = (password: Input<string>, sizeGb = 20): Resource => ({ key: 'database', kind: 'aws/rds-instance', inputs: { vpc: ref('vpc').output('id'), instanceClass: 'db.t4g.micro', sizeGb, password } })
const service = (id: string): Resource => ({ key: `deployment/${id}/service`, kind: 'aws/ecs-service', inputs: { taskDefinition: `api:${id}`, targetGroup: `group-${id}`, count: 1 } })
const rule = (weights: Readonly<Record<string, number>>, priority = 10): Resource => ({
  key: 'traffic',
  kind: 'aws/listener-rule',
  inputs: { listener: 'listener-1', host: 'api.example', priority, weights: Object.entries(weights).map(([deployment, percent]) => ({ deployment, percent, targetGroup: ref(`deployment/${deployment}/service`).output('targetGroup') })) },
})
const distribution = (aliases: readonly string[] = []): Resource => ({ key: 'cdn', kind: 'aws/cloudfront-distribution', inputs: { origin: 'bucket.example', aliases } })

const network: Resource = { key: 'network', kind: 'gcp/network', inputs: { mtu: 1460 } }
const sql = (rootPassword: Input<string>, sizeGb = 10): Resource => ({ key: 'sql', kind: 'gcp/cloud-sql-instance', inputs: { network: ref('network').output('name'), tier: 'db-f1-micro', sizeGb, rootPassword } })
const run: Resource = { key: 'run', kind: 'gcp/run-service', inputs: { image: 'hello' } }
const traffic = (weights: Readonly<Record<string, number>>): Resource => ({ key: 'traffic', kind: 'gcp/run-traffic', inputs: { service: ref('run').output('name'), weights: Object.entries(weights).map(([deployment, percent]) => ({ deployment, percent, revision: `run-${deployment}` })) } })

const priorities = new Map<string, number>()
const priorityFor = (unique: string) => priorities.get(unique) ?? priorities.set(unique, priorities.size + 1).get(unique)!

const awsSamples: readonly KindSample[] = [
  { kind: 'aws/vpc', graph: () => [vpc], change: () => ({ dnsHostnames: false }) },
  { kind: 'aws/rds-instance', graph: ({ secret }) => [vpc, database(secret)], change: () => ({ sizeGb: 40 }) },
  { kind: 'aws/ecs-service', graph: () => [service('a')], change: () => ({ count: 3 }) },
  { kind: 'aws/listener-rule', graph: ({ unique }) => [service('a'), service('b'), rule({ a: 100 }, priorityFor(unique))], change: () => ({ weights: rule({ a: 90, b: 10 }).inputs['weights'] }) },
  { kind: 'aws/cloudfront-distribution', graph: () => [distribution()], change: () => ({ aliases: ['shop.example'] }) },
]
const gcpSamples: readonly KindSample[] = [
  { kind: 'gcp/network', graph: () => [network] },
  { kind: 'gcp/cloud-sql-instance', graph: ({ secret }) => [network, sql(secret)], change: () => ({ sizeGb: 20 }) },
  { kind: 'gcp/run-service', graph: () => [run] },
  { kind: 'gcp/run-traffic', graph: () => [run, traffic({ a: 100 })], change: () => ({ weights: traffic({ a: 50, b: 50 }).inputs['weights'] }) },
]

defineProviderConformance({ describe, it, afterAll }, { provider: sketch('aws', awsKinds), setUp: environment(startAwsStub), samples: awsSamples })
defineProviderConformance({ describe, it, afterAll }, { provider: sketch('gcp', gcpKinds), setUp: environment(startGcpStub), samples: gcpSamples })

describe('the engine on sketches of', () => {
  let dir: string
  const password: Record<string, Input<string>> = {}
  const closing: (() => Promise<void>)[] = []
  beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'pilot-sketch-'))))
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
    await rm(dir, { recursive: true })
  })

  const engineOf = async (kinds: readonly AnyKind[]) => {
    const scope = createFileStore({ dir: join(dir, 'store') }).scope('app/shop/api/production')
    const secrets = createFileSecretStore({ dir: join(dir, 'secrets'), key: randomBytes(32) })
    password['database'] = await secrets.put('database', 'correct-horse-battery')
    const lease = await acquireLease({ store: scope, title: 'sketches' })
    closing.push(() => lease.release())
    return { scope, engine: createEngine({ kinds, scope, lease, platformId: randomBytes(16).toString('hex'), secrets, lateArrivalMs: 10 }) }
  }
  const actions = async (engine: Awaited<ReturnType<typeof engineOf>>['engine'], graph: Graph) => Object.fromEntries((await engine.plan(graph)).steps.map(({ key, action }) => [key, action]))

  it('AWS: make it all, change it, release, and leave only the snapshot', async () => {
    const stub = await startAwsStub()
    closing.push(stub.close)
    const { engine } = await engineOf(awsKinds(stub.url))
    const graph = (weights: Readonly<Record<string, number>>, sizeGb?: number, aliases?: readonly string[]) => [vpc, database(password['database']!, sizeGb), service('a'), service('b'), rule(weights), distribution(aliases)]

    await engine.apply(graph({ a: 100 }))
    expect(Object.values(await actions(engine, graph({ a: 100 })))).toEqual(Array(6).fill('keep'))
    expect(await actions(engine, graph({ a: 90, b: 10 }, 40, ['shop.example']))).toMatchObject({ vpc: 'keep', database: 'update', traffic: 'update', cdn: 'update' })
    await engine.apply(graph({ a: 90, b: 10 }, 40, ['shop.example']))
    expect(Object.values(await actions(engine, graph({ a: 90, b: 10 }, 40, ['shop.example'])))).toEqual(Array(6).fill('keep'))

    const { foreign } = await engine.destroy({ confirmProtected: ['database'] })
    expect(foreign).toMatchObject([{ kind: 'aws/rds-instance', title: expect.stringContaining('final snapshot'), retained: true }])
    expect(stub.ids()).toEqual([expect.stringMatching(/^snapshot\//)])
  })

  it('AWS: adopt everything again when the state was lost', async () => {
    const stub = await startAwsStub()
    closing.push(stub.close)
    const kinds = awsKinds(stub.url)
    const platformId = randomBytes(16).toString('hex')
    const graph = [vpc, service('a'), rule({ a: 100 }), distribution()]
    for (const laptop of ['first', 'second']) {
      const scope = createFileStore({ dir: join(dir, laptop) }).scope('app/shop/api/production')
      await using lease = await acquireLease({ store: scope, title: laptop })
      const engine = createEngine({ kinds, scope, lease, platformId, secrets: createFileSecretStore({ dir: join(dir, 'secrets'), key: randomBytes(32) }), lateArrivalMs: 10 })
      const before = stub.ids()
      await engine.apply(graph)
      if (laptop === 'second') expect(stub.ids()).toEqual(before)
    }
  })

  it('Google Cloud: make it all, change it, release, and leave nothing', async () => {
    const stub = await startGcpStub()
    closing.push(stub.close)
    const { engine } = await engineOf(gcpKinds(stub.url))
    const graph = (weights: Readonly<Record<string, number>>, sizeGb?: number) => [network, sql(password['database']!, sizeGb), run, traffic(weights)]

    await engine.apply(graph({ a: 100 }))
    expect(Object.values(await actions(engine, graph({ a: 100 })))).toEqual(Array(4).fill('keep'))
    await engine.apply(graph({ a: 50, b: 50 }, 20))
    expect(Object.values(await actions(engine, graph({ a: 50, b: 50 }, 20)))).toEqual(Array(4).fill('keep'))
    expect((await engine.outputs()).get('traffic')).toEqual({ url: expect.stringMatching(/^https:\/\/pilot-run-.*\.run\.example$/) })

    await engine.destroy({ confirmProtected: ['sql'] })
    expect(stub.names()).toEqual([])
  })
})
