import * as z from 'zod'
import { PilotError } from '../../errors/pilot-error.ts'
import { defineKind, type AnyKind, type Settled } from '../../provider/kind.ts'
import type { CloudResource } from './account.ts'
import { deleted, settled } from './answers.ts'
import { fakeClient, httpTransport, type FakeClient, type FakeTransport } from './client.ts'
import { commandKinds } from './command-kinds.ts'

export interface FakeKindsOptions {
  /** Of an account: `fakeCloud.url`; or what stands in for HTTP. */
  readonly url: string | FakeTransport
  /** What the kinds promise; must be at least what the cloud is configured to. Default 200. */
  readonly consistencyMs?: number
}

/** One kind per way in which clouds tell two equal calls apart, and the two that apps are made of. */
export function fakeKinds({ url, consistencyMs = 200 }: FakeKindsOptions): readonly AnyKind[] {
  const client = fakeClient(typeof url === 'string' ? httpTransport(url) : url)
  return [network(client), server(client, consistencyMs), database(client), rule(client), volume(client), deployment(client), traffic(client), ...commandKinds(client)]
}

const priced = (monthly: number) => () => ({ monthly, currency: 'USD' as const, basis: 'price list of the fake cloud' })

/** Found again by its name. */
const network = (client: FakeClient) =>
  defineKind({
    kind: 'fake/network',
    version: 1,
    inputs: z.object({ cidr: z.string().default('10.0.0.0/16') }),
    outputs: z.object({ id: z.string(), cidr: z.string() }),
    fields: { immutable: ['cidr'] },
    identity: 'name',
    consistencyMs: 0,
    async create({ name, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'network', name, owner, properties: inputs, signal })
    },
    settle: (call) => settled(client, 'network', call, ({ id, properties }) => ({ id, cidr: String(properties['cidr']) })),
    async read({ id, signal }) {
      const found = await client.get({ type: 'network', id, signal })
      const cidr = String(found?.properties['cidr'])
      return found && { inputs: { cidr }, outputs: { id, cidr } }
    },
    list: (call) => client.list({ type: 'network', ...call }),
    delete: (call) => deleted(client, 'network', call),
    cost: () => ({ unpriced: 'networks are free' }),
    permissions: ['network:*'],
    exposure: () => [],
  })

/** Has neither a unique name nor a token, and `list` lags: like most of EC2. */
const server = (client: FakeClient, consistencyMs: number) =>
  defineKind({
    kind: 'fake/server',
    version: 1,
    inputs: z.object({ network: z.string(), image: z.string().default('base'), size: z.number().default(1) }),
    outputs: z.object({ id: z.string(), address: z.string() }),
    fields: { immutable: ['network', 'image'] },
    identity: 'search',
    consistencyMs,
    async create({ owner, inputs, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'server', owner, properties: inputs, needs: [inputs.network], signal })
    },
    settle: (call) => settled(client, 'server', call, serverOutputs),
    async read({ id, signal }) {
      const found = await client.get({ type: 'server', id, signal })
      return found && { inputs: found.properties as { network: string; image: string; size: number }, outputs: serverOutputs(found) }
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await client.update({ type: 'server', id, properties: inputs, signal })
      return {}
    },
    list: (call) => client.list({ type: 'server', ...call }),
    delete: (call) => deleted(client, 'server', call),
    cost: ({ size }) => ({ monthly: 5 * size, currency: 'USD', basis: `${size} × 5 USD` }),
    permissions: ['server:*'],
    exposure: () => [{ what: 'the server', to: 'network' }],
  })

const serverOutputs = ({ id }: CloudResource) => ({ id, address: `${id}.fake.internal` })

/** Deduplicated by a token, slow, holds data, and its password cannot be read back. */
const database = (client: FakeClient) =>
  defineKind({
    kind: 'fake/database',
    version: 1,
    inputs: z.object({ network: z.string().optional(), sizeGb: z.number().default(10), password: z.string().optional() }),
    outputs: z.object({ id: z.string(), host: z.string(), port: z.number(), database: z.string(), user: z.string() }),
    fields: { immutable: ['network'], writeOnly: ['password'] },
    identity: 'token',
    consistencyMs: 0,
    protect: true,
    async create({ token, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      const { id } = await client.create({ type: 'database', token, owner, properties: inputs, needs: inputs.network === undefined ? [] : [inputs.network], signal })
      return { id, operation: `create-${id}` }
    },
    settle: (call) => settled(client, 'database', call, databaseOutputs),
    async read({ id, signal }) {
      const found = await client.get({ type: 'database', id, signal })
      if (found === undefined) return undefined
      const { password: _, ...inputs } = found.properties as { network?: string; sizeGb: number; password?: string }
      return { inputs, outputs: databaseOutputs(found) }
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await client.update({ type: 'database', id, properties: inputs, signal })
      return { operation: `update-${id}` }
    },
    list: (call) => client.list({ type: 'database', ...call }),
    delete: (call) => deleted(client, 'database', call),
    cost: ({ sizeGb }) => ({ monthly: 10 + sizeGb * 0.1, currency: 'USD', basis: `10 USD and ${sizeGb} GB at 0.10 USD` }),
    permissions: ['database:*'],
    exposure: () => [{ what: 'port 5432', to: 'network' }],
  })

const databaseOutputs = ({ id }: CloudResource) => ({ id, host: `${id}.fake.internal`, port: 5432, database: 'app', user: 'app' })

/** One per slot, changed in place with the cloud's precondition: a listener rule. */
const rule = (client: FakeClient) =>
  defineKind({
    kind: 'fake/rule',
    version: 1,
    inputs: z.object({ slot: z.string(), target: z.string(), weight: z.number().default(100) }),
    outputs: z.object({ id: z.string(), url: z.string() }),
    fields: { immutable: ['slot'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    async create({ owner, inputs, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'rule', slot: inputs.slot, owner, properties: inputs, needs: [inputs.target], signal })
    },
    settle: (call) => settled(client, 'rule', call, ruleOutputs),
    async read({ id, signal }) {
      const found = await client.get({ type: 'rule', id, signal })
      return found && { inputs: found.properties as { slot: string; target: string; weight: number }, outputs: ruleOutputs(found) }
    },
    async update({ id, inputs, signal, checkpoint }) {
      const revision = (await client.get({ type: 'rule', id, signal }))?.revision
      await checkpoint()
      await client.update({ type: 'rule', id, properties: inputs, needs: [inputs.target], ...(revision === undefined ? {} : { revision }), signal })
      return {}
    },
    list: (call) => client.list({ type: 'rule', ...call }),
    delete: (call) => deleted(client, 'rule', call),
    cost: priced(0),
    permissions: ['rule:*'],
    exposure: ({ slot }) => [{ what: `slot ${slot}`, to: 'internet' }],
  })

const ruleOutputs = ({ id, properties }: CloudResource) => ({ id, url: `https://${String(properties['slot'])}.fake.test` })

/** Holds data, and takes one writer at a time. */
const volume = (client: FakeClient) =>
  defineKind({
    kind: 'fake/volume',
    version: 1,
    inputs: z.object({}),
    outputs: z.object({ id: z.string() }),
    identity: 'name',
    consistencyMs: 0,
    protect: true,
    async create({ name, owner, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'volume', name, owner, properties: {}, signal })
    },
    settle: (call) => settled(client, 'volume', call, ({ id }) => ({ id })),
    async read({ id, signal }) {
      const found = await client.get({ type: 'volume', id, signal })
      return found && { inputs: {}, outputs: { id } }
    },
    list: (call) => client.list({ type: 'volume', ...call }),
    delete: (call) => deleted(client, 'volume', call),
    cost: priced(1),
    permissions: ['volume:*'],
    exposure: () => [],
  })

const deploymentInputs = z.object({
  network: z.string(),
  deployment: z.string(),
  digest: z.string(),
  command: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()),
  port: z.number(),
  memoryBytes: z.number(),
  cpu: z.number(),
  instances: z.number(),
  volumes: z.array(z.string()).optional(),
})

/** An app's artifact that runs. With `PILOT_FAKE_HEALTH=unhealthy` in its environment it never becomes healthy. */
const deployment = (client: FakeClient) =>
  defineKind({
    kind: 'fake/deployment',
    version: 1,
    inputs: deploymentInputs,
    outputs: z.object({ id: z.string(), address: z.string() }),
    identity: 'name',
    consistencyMs: 0,
    async create({ name, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'deployment', name, owner, properties: inputs, needs: [inputs.network, ...(inputs.volumes ?? [])], signal })
    },
    async settle(call): Promise<Settled<{ id: string; address: string }>> {
      if (call.inputs.env['PILOT_FAKE_HEALTH'] === 'unhealthy') {
        const error = new PilotError('UNHEALTHY', `Deployment ${call.inputs.deployment} answered 503 on its health path`, { details: { log: ['503 Service Unavailable'] } })
        return { status: 'failed', reason: error.message, error }
      }
      return settled(client, 'deployment', call, deploymentOutputs)
    },
    async read({ id, signal }) {
      const found = await client.get({ type: 'deployment', id, signal })
      return found && { inputs: found.properties as z.output<typeof deploymentInputs>, outputs: deploymentOutputs(found) }
    },
    list: (call) => client.list({ type: 'deployment', ...call }),
    delete: (call) => deleted(client, 'deployment', call),
    cost: ({ cpu, instances }) => ({ monthly: 8 * cpu * instances, currency: 'USD', basis: `${instances} × ${cpu} cores at 8 USD` }),
    permissions: ['deployment:*'],
    exposure: () => [],
  })

const deploymentOutputs = ({ id }: CloudResource) => ({ id, address: `https://${id}.fake.test` })

const trafficInputs = z.object({
  hostLabel: z.string(),
  weights: z.array(z.object({ deployment: z.string(), percent: z.number(), target: z.string().optional() })),
  domains: z.array(z.string()),
})

/** Which deployments of an app get which share of what the public sends. */
const traffic = (client: FakeClient) =>
  defineKind({
    kind: 'fake/traffic',
    version: 1,
    inputs: trafficInputs,
    outputs: z.object({ id: z.string(), url: z.string() }),
    fields: { immutable: ['hostLabel'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    async create({ owner, inputs, signal, checkpoint }) {
      await checkpoint()
      return client.create({ type: 'traffic', slot: inputs.hostLabel, owner, properties: inputs, needs: inputs.weights.flatMap(({ target }) => target ?? []), signal })
    },
    settle: (call) => settled(client, 'traffic', call, trafficOutputs),
    async read({ id, signal }) {
      const found = await client.get({ type: 'traffic', id, signal })
      return found && { inputs: found.properties as z.output<typeof trafficInputs>, outputs: trafficOutputs(found) }
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await client.update({ type: 'traffic', id, properties: inputs, needs: inputs.weights.flatMap(({ target }) => target ?? []), signal })
      return {}
    },
    list: (call) => client.list({ type: 'traffic', ...call }),
    delete: (call) => deleted(client, 'traffic', call),
    cost: priced(0),
    permissions: ['traffic:*'],
    exposure: ({ hostLabel }) => [{ what: `https://${hostLabel}.fake.test`, to: 'internet' }],
  })

const trafficOutputs = ({ id, properties }: CloudResource) => ({ id, url: `https://${String(properties['hostLabel'])}.fake.test` })
