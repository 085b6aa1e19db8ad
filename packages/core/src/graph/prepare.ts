import type { Graph } from '../provider/graph.ts'
import type { SecretRef } from '../provider/value.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import type { Live } from './diff.ts'
import type { EngineContext } from './context.ts'
import { orderGraph, type OrderedGraph } from './graph.ts'
import { outputContext, readLive } from './live.ts'
import { planGraph, type Plan } from './plan.ts'
import { secretsIn } from './resolve.ts'
import { settleStrays } from './strays.ts'
import { adoptExisting, settleUnknown } from './unknown.ts'

export interface Prepared {
  readonly plan: Plan
  readonly graph: OrderedGraph
  readonly live: ReadonlyMap<string, Live | 'absent'>
  readonly secretHash: (secret: SecretRef) => string
}

/** Everything that planning needs to know, and the plan. */
export async function preparePlan(context: EngineContext, { desired, refresh, adopt = refresh }: { desired: Graph; /** Look at what is recorded. */ refresh: boolean; /** Look for what is there and not recorded. */ adopt?: boolean }): Promise<Prepared> {
  const { recorded, kinds } = context
  const graph = orderGraph(desired, kinds)
  const secretHash = await hashSecrets(context.secrets, desired)
  await settleUnknown(context, { wanted: graph.resources, projection: outputContext(recorded, secretHash) })
  if (adopt) {
    await adoptExisting(context, { wanted: graph.resources })
    await settleStrays(context)
  }
  const live = refresh ? await readLive(context, recorded, kinds) : new Map<string, Live | 'absent'>()
  const plan = planGraph({ desired: graph, recorded, live, kinds, secretHash })
  return { plan, graph, live, secretHash }
}

/** Keyed hashes of every secret that the graph refers to. Throws NOT_FOUND for one that is not there. */
async function hashSecrets(secrets: SecretStore, desired: Graph): Promise<(secret: SecretRef) => string> {
  const references = new Map(secretsIn(desired.map(({ inputs }) => inputs)).map((secret) => [nameOf(secret), secret]))
  const hashes = new Map(await Promise.all([...references].map(async ([name, secret]) => [name, await secrets.fingerprint(await secrets.get(secret))] as const)))
  return (secret) => hashes.get(nameOf(secret)) ?? ''
}

const nameOf = ({ $secret: { store, name, version } }: SecretRef) => `${store}/${name}@${version}`
