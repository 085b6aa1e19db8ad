import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, type AnyKind } from '@pilot/core'
import { edgeState, ensureEdge, releasePort, removeFile, removeService, replaceJson, reservePort, type Home } from '@pilot/host'
import * as z from 'zod'
import { hasMarked, listMarked, markOf, readOwner } from './marks.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** So that an edge that does not answer counts as drift. */
  running: z.literal(true),
})
const outputs = z.object({ port: z.number() })

/** The proxy in front of every app of this home. The platforms of one home share it: the last one to go stops it. */
export function edgeKind(home: Home): AnyKind {
  const claims = join(home.paths.edge, 'platforms')
  const claim = (platformId: string): string => join(claims, `${platformId}.json`)
  const outputsOf = async (): Promise<z.output<typeof outputs>> => ({ port: await reservePort(home, 'edge') })

  return defineKind({
    kind: 'local/edge',
    version: 1,
    inputs,
    outputs,
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'the edge, on a port of 127.0.0.1', to: 'machine' }],

    async create({ owner, checkpoint }) {
      await checkpoint()
      await mkdir(claims, { recursive: true })
      replaceJson(claim(owner.platformId), { owner: markOf(owner) }, { durable: true })
      await ensureEdge(home)
      return { id: owner.platformId }
    },
    async settle() {
      return (await edgeState(home)) ? { status: 'ready', outputs: await outputsOf() } : { status: 'pending', retryAfterMs: 100, message: 'the edge starts' }
    },
    async read({ id }) {
      if (!(await readOwner(claim(id)))) return undefined
      // A value that the schema does not know is how a reading says "not running".
      return { inputs: { running: ((await edgeState(home)) !== undefined) as true }, outputs: await outputsOf() }
    },
    list: ({ platformId }) => listMarked({ folder: claims, platformId, title: () => 'edge' }),
    async update({ checkpoint }) {
      await checkpoint()
      await ensureEdge(home)
      return {}
    },
    async delete({ id, checkpoint }) {
      await checkpoint()
      removeFile(claim(id))
      if (await hasMarked(claims)) return {}
      await removeService(home, 'edge')
      // Unless another platform has just written its claim.
      if (!(await hasMarked(claims))) await releasePort(home, 'edge')
      return {}
    },
  })
}
