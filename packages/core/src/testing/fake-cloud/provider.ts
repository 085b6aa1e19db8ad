import { createHash } from 'node:crypto'
import * as z from 'zod'
import { PilotError } from '../../errors/pilot-error.ts'
import type { Builder } from '../../provider/builder.ts'
import type { Compute } from '../../provider/compute.ts'
import type { CommandSpec, Volumes } from '../../provider/compute-specs.ts'
import type { HookRunner } from '../../provider/hooks.ts'
import { emptyBlueprint } from '../../provider/graph.ts'
import type { AppIdentity } from '../../provider/app-identity.ts'
import { contractVersion, defineProvider, type AnyProvider } from '../../provider/provider.ts'
import { ref, template, type Input } from '../../provider/value.ts'
import { taskKey, volumeKeyPrefix, workersKeyPrefix } from '../../lifecycle/scope.ts'
import { fakeKinds } from './kinds.ts'

/** A whole provider over one account of the fake cloud: the target `container`, a database per app, and a trivial builder. */
export function defineFakeProvider({ consistencyMs }: { readonly consistencyMs?: number } = {}): AnyProvider {
  return defineProvider({
    name: 'fake',
    title: 'The fake cloud',
    contract: contractVersion,
    settings: z.object({ url: z.string().describe('Address of an account of the fake cloud') }),
    async check({ settings }) {
      if (settings === undefined) return [{ id: 'fake.cloud', status: 'problem', title: 'No address is set', fix: 'Start the fake cloud and give its URL' }]
      const isThere = await fetch(`${settings.url}/control`, { method: 'POST', body: JSON.stringify({ method: 'violations', params: [] }) }).then(({ ok }) => ok, () => false)
      return [isThere ? { id: 'fake.cloud', status: 'ok', title: `Answers at ${settings.url}` } : { id: 'fake.cloud', status: 'problem', title: `Nothing answers at ${settings.url}`, fix: 'Start the fake cloud' }]
    },
    async connect({ settings: { url } }) {
      return {
        kinds: fakeKinds({ url, ...(consistencyMs === undefined ? {} : { consistencyMs }) }),
        platform: () => ({ resources: [{ key: 'network', kind: 'fake/network', inputs: {} }], outputs: { network: ref('network').output('id') } }),
        compute: { container: fakeCompute },
        builders: [fakeBuilder()],
        hooks: fakeHooks,
        database: {
          major: 17,
          database: ({ password, appOutputs }) => {
            const key = 'database'
            const output = (name: string): Input<string> => ref(key).output(name)
            return {
              resources: [{ key, kind: 'fake/database', inputs: { network: appOutputs['network'] as Input<unknown>, password: password as Input<unknown> } }],
              outputs: {
                host: output('host'),
                port: output('port'),
                database: output('database'),
                user: output('user'),
                url: template('postgres://', ref(key).output('user'), ':', password as never, '@', ref(key).output('host'), ':5432/', ref(key).output('database')) as Input<unknown>,
              },
            }
          },
        },
        async close() {},
      }
    },
  }) as AnyProvider
}

const fakeCompute: Compute = {
  app: () => ({ resources: [{ key: 'network', kind: 'fake/network', inputs: {} }], outputs: { network: ref('network').output('id') } }),
  deployment({ deployment, artifact, command, env, port, memoryBytes, cpu, instances, volumes, appOutputs }) {
    const key = `deployment/${deployment}/container`
    return {
      resources: [
        {
          key,
          kind: 'fake/deployment',
          inputs: { network: appOutputs['network'] as Input<unknown>, deployment, digest: artifact.digest, ...(command === undefined ? {} : { command }), env, port: port ?? artifact.ports?.[0] ?? 8080, memoryBytes, cpu, instances, ...mounts(volumes) },
        },
      ],
      outputs: { address: ref(key).output('address'), target: ref(key).output('id') },
    }
  },
  traffic({ hostLabel, weights, domains }) {
    const inputs = { hostLabel, domains, weights: weights.map(({ deployment, percent, outputs }) => ({ deployment, percent, ...(outputs['target'] === undefined ? {} : { target: outputs['target'] as Input<unknown> }) })) }
    return { resources: [{ key: 'traffic', kind: 'fake/traffic', inputs: inputs as never }], outputs: { url: ref('traffic').output('url') } }
  },
  volume: ({ volume, path }) => ({ resources: [{ key: `${volumeKeyPrefix}${volume}`, kind: 'fake/volume', inputs: {} }], outputs: { id: ref(`${volumeKeyPrefix}${volume}`).output('id'), path: path ?? `/volumes/${volume}` } }),
  worker: (spec) => {
    const keys = Array.from({ length: spec.instances }, (_, index) => `${workersKeyPrefix(spec.deployment)}${spec.process}/${index}`)
    return { ...emptyBlueprint, resources: keys.map((key) => ({ key, kind: 'fake/worker', inputs: commandInputs(spec) })) }
  },
  task: (spec) => ({ ...emptyBlueprint, resources: [{ key: taskKey(spec.deployment, spec.task), kind: 'fake/task', inputs: commandInputs(spec) }] }),
  link: ({ toHostLabel }) => ({ ...emptyBlueprint, outputs: { url: `https://${toHostLabel}.fake.internal` } }),
  drain: async () => ({ open: 0 }),
  status: async () => [],
}

const mounts = (volumes: Volumes = {}) => (Object.keys(volumes).length === 0 ? {} : { volumes: Object.values(volumes).map(({ id }) => id as Input<string>) })

const commandInputs = ({ deployment, artifact, command, env, memoryBytes, cpu, volumes, appOutputs }: CommandSpec) => ({ network: appOutputs['network'] as Input<unknown>, deployment, digest: artifact.digest, command: [...command], env: { ...env }, memoryBytes, cpu, ...mounts(volumes) })

/** Tells the hook with the variables that matter; a command that begins with `fail` fails. */
const fakeHooks: HookRunner = {
  async run({ app, hook, command, env, log }) {
    log(`${hook} ran ${command.join(' ')} for ${env['PILOT_VERSION'] ?? 'a build'}`)
    if (command[0]?.startsWith('fail')) throw new PilotError('HOOK_FAILED', `The hook ${hook} of ${app.project}/${app.app} failed`, { reason: 'exit code 1', details: { log: ['it fails'] } })
  },
}

/** The source's own digest is the artifact. A file named `fail-build` makes it fail. */
function fakeBuilder(): Builder {
  return {
    name: 'fake',
    target: 'container',
    fits: () => ({ reason: 'the fake cloud takes everything' }),
    async build({ app, sourceDigest, facts, args, log }) {
      log(`building ${title(app)}`)
      if (facts.files.includes('fail-build')) throw new PilotError('BUILD_FAILED', `The build of ${title(app)} failed`, { reason: 'exit code 1', details: { log: ['fail-build is there'] } })
      const digest = `sha256:${createHash('sha256').update(JSON.stringify([sourceDigest, args])).digest('hex')}`
      return { digest, type: 'image', location: `fake/${app.project}/${app.app}@${digest}`, ports: [8080] }
    },
    exists: async () => true,
  }
}

const title = ({ project, app, environment }: AppIdentity) => `${project}/${app} (${environment})`
