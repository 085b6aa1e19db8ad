/**
 * How close the engine comes to the critical path: `npx node --conditions=@pilot/source bench/engine.ts [RESOURCES [WIDTH]]`.
 *
 * Resources in 10 layers, each of which refers to one of the layer above; creating one takes the provider 10 ms, all else
 * nothing. The journal and the state are on a real disk. The least that any engine can need with calls of 10 ms and `width`
 * of them at once is max(depth × 10 ms, ceil(resources / width) × 10 ms). What 10 ms really take on this machine is measured
 * in the same run, by making the same calls, as wide, without an engine.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { acquireLease, createEngine, createFileStore, defineKind, ref, type Graph, type SecretStore } from '@pilot/core'
import pLimit from 'p-limit'
import * as z from 'zod'

const resources = Number(process.argv[2] ?? 1_000)
const width = Number(process.argv[3] ?? 10)
const depth = 10
const callMs = 10

const made = new Map<string, string>()
let calls = 0
const thing = defineKind({
  kind: 'bench/thing',
  version: 1,
  inputs: z.object({ above: z.string().optional() }),
  outputs: z.object({ id: z.string() }),
  identity: 'name',
  consistencyMs: 0,
  async create({ name, inputs, checkpoint }) {
    await checkpoint()
    await takeTime()
    made.set(name, inputs.above ?? '')
    return { id: name }
  },
  settle: async ({ id }) => ({ status: 'ready', outputs: { id } }),
  read: async ({ id }) => (made.has(id) ? { inputs: {}, outputs: { id } } : undefined),
  list: async () => [],
  async delete({ id, checkpoint }) {
    await checkpoint()
    await takeTime()
    made.delete(id)
    return {}
  },
  cost: () => ({ unpriced: 'bench' }),
  permissions: [],
  exposure: () => [],
})

async function takeTime(): Promise<void> {
  calls++
  await sleep(callMs)
}

const perLayer = Math.ceil(resources / depth)
const graph: Graph = Array.from({ length: resources }, (_, index) => ({
  key: `thing-${index}`,
  kind: 'bench/thing',
  inputs: index < perLayer ? {} : { above: ref(`thing-${index - perLayer}`).output('id') },
}))

const dir = await mkdtemp(join(tmpdir(), 'pilot-bench-'))
try {
  const scope = createFileStore({ dir }).scope('platform')
  const lease = await acquireLease({ store: scope, title: 'bench' })
  const engine = () => createEngine({ kinds: [thing], scope, lease, platformId: 'bench', secrets: {} as SecretStore, width })
  await calibrate()
  const floor = await time(calibrate)
  const memoryBefore = process.memoryUsage.rss()
  const cpuBefore = process.cpuUsage()
  const applied = await time(() => engine().apply(graph))
  const cpu = process.cpuUsage(cpuBefore)
  const again = await time(() => engine().apply(graph))
  const destroyed = await time(() => engine().destroy())
  await lease.release()
  const criticalPath = Math.max(depth * callMs, Math.ceil(resources / width) * callMs)
  const row = (name: string, value: string) => console.log(`${name.padEnd(44)}${value.padStart(10)}`)
  row('resources, width', `${resources}, ${width}`)
  row('critical path at this width, by arithmetic', `${criticalPath} ms`)
  row('the same calls without an engine', `${Math.round(floor)} ms`)
  row('apply', `${Math.round(applied)} ms`)
  row('ratio to the calls without an engine', (applied / floor).toFixed(2))
  row('ratio to the arithmetic', (applied / criticalPath).toFixed(2))
  row('CPU of apply', `${Math.round((cpu.user + cpu.system) / 1_000)} ms`)
  row('apply again, nothing to do', `${Math.round(again)} ms`)
  row('destroy', `${Math.round(destroyed)} ms`)
  row('memory before, peak', `${mib(memoryBefore)}, ${mib(process.resourceUsage().maxRSS * 1_024)} MiB`)
  if (calls !== resources * 4 || made.size > 0) throw new Error(`${calls} calls were made, ${made.size} things are left`)
} finally {
  await rm(dir, { recursive: true })
}

/** As many calls, as wide, layer by layer as a perfect engine would. */
async function calibrate(): Promise<void> {
  const limit = pLimit(width)
  await Promise.all(graph.map(() => limit(takeTime)))
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
