import assert from 'node:assert/strict'
import { kindsByName, orderGraph } from '../../graph/graph.ts'
import { refsIn } from '../../graph/resolve.ts'
import type { Compute } from '../../provider/compute.ts'
import type { ArtifactReference } from '../../provider/compute-specs.ts'
import type { Blueprint, Resource } from '../../provider/graph.ts'
import type { Target } from '../../provider/app-identity.ts'
import type { Capabilities } from '../../provider/provider.ts'
import { secretRef } from '../../provider/value.ts'
import type { Check } from '../check.ts'
import { volumeKeyPrefix } from '../../lifecycle/scope.ts'
import type { ProviderConformanceOptions } from './options.ts'
import { fieldsOf, problemsOf } from './schema.ts'
import type { Workshop } from './workbench.ts'

/** What blueprints return, for specifications like those of the lifecycle. Nothing is created. */
export function blueprintChecks({ artifacts = {} }: ProviderConformanceOptions, shop: Workshop): readonly Check[] {
  const check = (title: string, body: (scopes: () => readonly DesiredScope[], capabilities: Capabilities) => void): Check => ({
    group: 'its blueprints',
    title,
    async run() {
      const bench = await shop.open()
      try {
        body(() => desiredScopes(bench.capabilities, artifacts), bench.capabilities)
      } finally {
        await bench.close()
      }
    },
  })

  return [
    check('are pure: equal specifications give equal plain JSON', (scopes) => {
      const [first, second] = [scopes(), scopes()]
      assert.deepEqual(first, second, 'a second call gives another graph: no clocks, counters or random names')
      for (const [index, { title, blueprints }] of first.entries()) {
        for (const [name, blueprint] of Object.entries(blueprints)) {
          assert.deepEqual(JSON.parse(JSON.stringify(blueprint)), blueprint, `${name} of ${title} is not plain JSON`)
          assert.equal(JSON.stringify(blueprint), JSON.stringify(second[index]!.blueprints[name]), `${name} of ${title} has its fields in another order each time`)
        }
      }
    }),

    check('have unique keys, known kinds, and references that lead somewhere', (scopes, { kinds }) => {
      const known = kindsByName(kinds)
      for (const { title, blueprints } of scopes()) {
        const seen = new Map<string, string>()
        for (const [name, { resources }] of Object.entries(blueprints)) {
          for (const { key } of resources) {
            assert.ok(!seen.has(key), `${seen.get(key)} and ${name} of ${title} both make ${key}`)
            seen.set(key, name)
          }
        }
        const graph = Object.values(blueprints).flatMap(({ resources }) => resources)
        orderGraph(graph, known)
        const byKey = new Map<string, Resource>(graph.map((resource) => [resource.key, resource]))
        for (const [name, blueprint] of Object.entries(blueprints)) {
          for (const { key, output } of refsIn(blueprint)) {
            const target = byKey.get(key)
            assert.ok(target, `${name} of ${title} refers to ${key}, which nothing makes`)
            const outputs = fieldsOf(known.get(target.kind)!.outputs)
            assert.ok(outputs?.includes(output) ?? true, `${name} of ${title} refers to ${key}.${output}, and ${target.kind} has the outputs ${outputs?.join(', ')}`)
          }
        }
      }
    }),

    check('have inputs that fit their kinds', (scopes, { kinds }) => {
      const known = kindsByName(kinds)
      for (const { title, blueprints } of scopes()) {
        for (const { key, kind, inputs } of Object.values(blueprints).flatMap(({ resources }) => resources)) {
          assert.deepEqual(problemsOf(known.get(kind)!.inputs, inputs), [], `${key} (${kind}) of ${title}`)
        }
      }
    }),

    check('have the keys and outputs that the lifecycle goes by', (scopes, { kinds }) => {
      const known = kindsByName(kinds)
      for (const { title, target, shares: wantedShares, blueprints } of scopes()) {
        for (const [name, { resources, outputs }] of Object.entries(blueprints)) {
          if (name.startsWith('deployment ')) {
            const prefix = `deployment/${name.slice('deployment '.length)}/`
            // A site is nothing but its artifact: then the traffic has to say where that is.
            assert.ok(resources.length > 0 || Object.keys(outputs).length > 0, `${name} of ${title} makes nothing and gives nothing`)
            for (const { key } of resources) assert.ok(key.startsWith(prefix), `${name} of ${title} makes ${key}: the keys of a deployment begin with ${prefix}`)
          }
          for (const [what, prefix] of [['worker', 'deployment/d1a2b3/worker/mail/'], ['task', 'deployment/d1a2b3/task/release']] as const) {
            if (name !== what) continue
            assert.equal(resources.length, what === 'worker' ? 2 : 1, `${what} of ${title}: one resource for each instance that was asked for`)
            for (const { key } of resources) assert.ok(key.startsWith(prefix), `${what} of ${title} makes ${key}: its keys begin with ${prefix}, by which a release starts and stops it apart from what has traffic`)
          }
          if (name === 'consumer') for (const { key } of resources) assert.ok(key.startsWith('deployment/d1a2b3/worker/queue/'), `consumer of ${title} makes ${key}: its keys begin with deployment/d1a2b3/worker/queue/, by which a release starts and stops it`)
          if (name === 'volume') {
            assert.deepEqual(resources.map(({ key }) => key), [`${volumeKeyPrefix}data`], `volume of ${title} is one resource with the key "${volumeKeyPrefix}data", by which it is found again`)
            assert.ok(known.get(resources[0]!.kind)?.protect === true, `volume of ${title}: ${resources[0]!.kind} is not protected, and a volume is data`)
            assert.ok('path' in outputs, `volume of ${title} has no output path`)
          }
          if (name.startsWith('traffic')) {
            assert.deepEqual(resources.map(({ key }) => key), ['traffic'], `${name} of ${title} is one resource with the key "traffic"`)
            const weights = resources[0]!.inputs['weights']
            assert.ok(Array.isArray(weights), `${name} of ${title} has no weights among its inputs`)
            const shares = (weights as { deployment?: unknown; percent?: unknown }[]).map(({ deployment, percent }) => ({ deployment, percent }))
            assert.deepEqual(shares, wantedShares, `${name} of ${title}: the weights among its inputs name each deployment with its share, by which the lifecycle knows what is live, and what is a canary`)
            assert.ok('url' in outputs, `${name} of ${title} has no output url`)
          }
          if (name === 'database') for (const output of ['host', 'port', 'database', 'user', 'url']) assert.ok(output in outputs, `the database for ${target} has no output ${output}`)
          if (name === 'link') assert.ok('url' in outputs, `link of ${title} has no output url`)
        }
      }
    }),

    check('say what is live also while requests wait for a volume to be handed over', (_, { compute }) => {
      for (const [target, { app: own, volume, traffic }] of Object.entries(compute)) {
        if (!volume) continue
        const app = { project: 'shop', app: 'api', environment: 'production' }
        const spec = { app, hostLabel: 'api.shop', weights: [{ deployment: deploymentIds[0]!, percent: 100, outputs: {} }], domains: [], appOutputs: own({ app, hostLabel: 'api.shop' }).outputs }
        const weightsOf = (paused: boolean): unknown => traffic({ ...spec, paused }).resources.find(({ key }) => key === 'traffic')?.inputs['weights']
        assert.deepEqual(weightsOf(true), weightsOf(false), `the traffic of a ${target} app that is paused has other weights: nobody could tell what to bring back`)
      }
    }),

    check('keep the data of a volume wherever an app wants to find it', (_, { compute }) => {
      for (const [target, { app: own, volume }] of Object.entries(compute)) {
        const app = { project: 'shop', app: 'api', environment: 'production' }
        const at = (path?: string): Blueprint['resources'] | undefined => volume?.({ app, volume: 'data', ...(path === undefined ? {} : { path }), appOutputs: own({ app, hostLabel: 'api.shop' }).outputs }).resources
        try {
          assert.deepEqual(at('/elsewhere'), at(), `a volume of a ${target} app is another resource at another path, and its data would be lost`)
        } catch (error) {
          // A path that the target cannot give.
          if ((error as { code?: unknown }).code !== 'USAGE') throw error
        }
      }
    }),
  ]
}

interface DesiredScope {
  readonly title: string
  readonly target?: Target
  readonly shares?: readonly { readonly deployment: string; readonly percent: number }[]
  /** By what made them; they stand in one graph together. */
  readonly blueprints: Readonly<Record<string, Blueprint>>
}

/** The scopes that a platform has after a while: itself, and apps in the states that a release passes through. */
function desiredScopes(capabilities: Capabilities, artifacts: ProviderConformanceOptions['artifacts'] & {}): readonly DesiredScope[] {
  const platform: DesiredScope = { title: 'the platform', blueprints: { platform: capabilities.platform({ platformId: '0123456789abcdef0123456789abcdef', name: 'conformance' }) } }
  const targets = Object.entries(capabilities.compute) as [Target, Compute][]
  return [
    platform,
    ...targets.flatMap(([target, compute]) =>
      ([[], [100], [90, 10]] as const).map((percents): DesiredScope => ({ title: `a ${target} app with ${percents.length} released deployments`, target, shares: percents.map((percent, index) => ({ deployment: deploymentIds[index]!, percent })), blueprints: appBlueprints({ capabilities, target, compute, percents, artifact: artifacts[target] ?? anyArtifact(target) }) })),
    ),
  ]
}

const deploymentIds = ['d1a2b3', 'e4f5a6']

function appBlueprints({ capabilities, target, compute, percents, artifact }: { capabilities: Capabilities; target: Target; compute: Compute; percents: readonly number[]; artifact: ArtifactReference }): Record<string, Blueprint> {
  const app = { project: 'shop', app: 'api', environment: 'production' }
  const label = 'api.shop'
  const password = secretRef({ store: 'file', name: 'generated/app/shop/api/production/database', version: 1 })
  const queue = compute.consumer ? { queue: true as const } : {}
  const own = compute.app({ app, hostLabel: label, ...queue })
  const appOutputs = own.outputs
  const database = capabilities.database?.database({ app, target, appOutputs, password })
  const link = compute.link?.({ from: app, to: { ...app, app: 'mailer' }, toHostLabel: 'mailer.shop', appOutputs })
  const volume = compute.volume?.({ app, volume: 'data', appOutputs })
  const volumes = volume ? { volumes: { data: volume.outputs } } : {}
  const deployments = deploymentIds.map((deployment): [string, Blueprint] => [
    deployment,
    compute.deployment({
      app,
      deployment,
      artifact,
      env: { LOG_LEVEL: 'info', JWT_KEY: secretRef({ store: 'file', name: 'app/shop/api/production/JWT_KEY', version: 3 }), ...(database && { DATABASE_URL: database.outputs['url'] as string }), ...(link && { MAILER_URL: link.outputs['url'] as string }) },
      port: 8080,
      health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 },
      memoryBytes: 512 * 1024 * 1024,
      cpu: 0.25,
      instances: 1,
      ...(target === 'function' ? { function: { handler: 'index.handler', timeoutMs: 30_000, http: true, ...(compute.consumer ? { queue: { batch: 10, retries: 3 } } : {}) } } : {}),
      ...volumes,
      appOutputs,
    }),
  ])
  const commands = { app, deployment: 'd1a2b3', artifact, env: { LOG_LEVEL: 'info' }, memoryBytes: 512 * 1024 * 1024, cpu: 0.25, ...volumes, appOutputs }
  const worker = compute.worker?.({ ...commands, process: 'mail', command: ['node', 'mail.js'], instances: 2 })
  const task = compute.task?.({ ...commands, task: 'release', command: ['node', 'migrate.js'] })
  const consumer = compute.consumer?.({ app, deployment: 'd1a2b3', appOutputs })
  const weights = percents.map((percent, index) => ({ deployment: deployments[index]![0], percent, outputs: deployments[index]![1].outputs }))
  return {
    app: own,
    ...(database && { database }),
    ...(link && { link }),
    ...Object.fromEntries(deployments.map(([deployment, blueprint]) => [`deployment ${deployment}`, blueprint])),
    ...(worker && { worker }),
    ...(task && { task }),
    ...(consumer && { consumer }),
    ...(volume && { volume }),
    [`traffic to ${percents.length}`]: compute.traffic({ app, hostLabel: label, weights, domains: [], appOutputs }),
  }
}

const anyArtifact = (target: Target): ArtifactReference => ({
  digest: `sha256:${'ab'.repeat(32)}`,
  type: target === 'container' || target === 'function' ? 'image' : 'directory',
  location: target === 'container' || target === 'function' ? `registry.example/shop/api@sha256:${'ab'.repeat(32)}` : '/srv/artifacts/abab',
  ports: [8080],
  command: ['node', 'server.js'],
})
