import type { Graph, Resource } from '../provider/graph.ts'
import { ref } from '../provider/value.ts'
import type { CloudResource } from './fake-cloud/index.ts'

/** What is changed into what: ten resources, of each way in which clouds tell two equal calls apart. */
export interface Change {
  readonly before: Graph
  readonly after: Graph
  /** Calls that change something, when nothing goes wrong. */
  readonly calls: number
}

const server = (key: string, network: string, inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/server', inputs: { network: ref(network).output('id'), ...inputs } })
const rule = (key: string, slot: string, target: string, inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/rule', inputs: { slot, target: ref(target).output('id'), ...inputs } })
const database = (key: string, inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/database', inputs })
const network = (key: string, inputs: Resource['inputs'] = {}): Resource => ({ key, kind: 'fake/network', inputs })

const ten: Graph = [
  network('network-a'),
  network('network-b'),
  database('database-a', { network: ref('network-a').output('id') }),
  database('database-b'),
  server('server-a', 'network-a'),
  server('server-b', 'network-a'),
  server('server-c', 'network-b'),
  rule('rule-a', 'a', 'server-a'),
  rule('rule-b', 'b', 'server-b'),
  rule('rule-c', 'c', 'server-c'),
]

/** Fields that can be changed in place. */
const updated: Graph = [
  network('network-a'),
  network('network-b'),
  database('database-a', { network: ref('network-a').output('id'), sizeGb: 20 }),
  database('database-b', { sizeGb: 30 }),
  server('server-a', 'network-a', { size: 2 }),
  server('server-b', 'network-a', { size: 3 }),
  server('server-c', 'network-b', { size: 4 }),
  rule('rule-a', 'a', 'server-a', { weight: 10 }),
  rule('rule-b', 'b', 'server-b', { weight: 20 }),
  rule('rule-c', 'c', 'server-c', { weight: 30 }),
]

/** A network and what lies in it, a server, a database with its data, and a slot that holds one at a time. */
const replaced: Graph = [
  network('network-a'),
  network('network-b', { cidr: '10.1.0.0/16' }),
  database('database-a', { network: ref('network-a').output('id') }),
  database('database-b', { network: ref('network-b').output('id') }),
  server('server-a', 'network-a', { image: 'new' }),
  server('server-b', 'network-a'),
  server('server-c', 'network-b'),
  rule('rule-a', 'a', 'server-a'),
  rule('rule-b', 'other', 'server-b'),
  rule('rule-c', 'c', 'server-c'),
]

export const changes = {
  apply: { before: [], after: ten, calls: 10 },
  update: { before: ten, after: updated, calls: 8 },
  // Five made, five deleted, two rules that move.
  replace: { before: ten, after: replaced, calls: 12 },
  destroy: { before: ten, after: [], calls: 10 },
} as const satisfies Readonly<Record<string, Change>>

/** What others have in the same account: without marks, of another platform, of another scope, and with copies of our marks. */
export function foreignResources(platformId: string): readonly (Partial<CloudResource> & { readonly type: string })[] {
  const marks = (key: string, more: Readonly<Record<string, string>> = {}) => ({ platformId, scope: 'platform', key, generation: '1', ...more })
  return [
    { type: 'network', name: 'pilot-network-a-0123456789ab' },
    { type: 'server', marks: marks('server-a', { platformId: 'another' }) },
    { type: 'database', marks: marks('database-a', { platformId: 'another' }) },
    { type: 'rule', slot: 'foreign', marks: marks('rule-a', { scope: 'app/shop/api/production' }) },
    { type: 'server', marks: marks('never-heard-of') },
  ]
}

export function copiedMarks(platformId: string): readonly (Partial<CloudResource> & { readonly type: string })[] {
  const marks = (key: string) => ({ platformId, scope: 'platform', key, generation: '1' })
  return [
    { type: 'network', name: 'copy', marks: marks('network-b') },
    { type: 'server', marks: marks('server-a') },
    { type: 'server', marks: marks('server-b') },
    { type: 'database', token: 'copy', marks: marks('database-b') },
    { type: 'rule', slot: 'copy', marks: marks('rule-b') },
  ]
}
