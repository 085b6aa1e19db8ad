import * as z from 'zod'
import { defineKind, type AnyKind, type Kind, type Ownership } from '../provider/kind.ts'

/** A cloud in this process, which keeps running when the power of the machine goes. One kind of each identity. */
export interface Thing {
  readonly kind: string
  readonly name: string
  readonly token: string
  readonly owner: Ownership
  inputs: Record<string, unknown>
}

export interface PowerCloud {
  readonly things: Map<string, Thing>
  /** Counts what was ever made. */
  made: number
}

export const emptyCloud = (): PowerCloud => ({ things: new Map(), made: 0 })
export const copyOf = ({ things, made }: PowerCloud): PowerCloud => ({ things: structuredClone(things), made })

const inputs = z.object({ size: z.number().optional(), place: z.string().optional(), on: z.string().optional() })
const outputs = z.object({ id: z.string() })

/** `changed` is called right after each change. */
export function powerKinds(cloud: PowerCloud, changed: () => void = () => {}): readonly AnyKind[] {
  return (['name', 'token', 'search'] as const).map((identity): Kind<typeof inputs, typeof outputs> => {
    const change = (run: () => void): void => {
      run()
      changed()
    }
    return defineKind({
      kind: `power/${identity}`,
      version: 1,
      inputs,
      outputs,
      fields: { immutable: ['place', 'on'] },
      identity,
      consistencyMs: 0,
      permissions: [],
      cost: () => ({ unpriced: 'a test' }),
      exposure: () => [],
      async create({ name, token, owner, inputs: wanted, checkpoint }) {
        await checkpoint()
        const same = [...cloud.things].find(([, thing]) => thing.kind === identity && (identity === 'name' ? thing.name === name : identity === 'token' && thing.token === token))
        if (same !== undefined) return { id: same[0] }
        const id = `${identity}-${cloud.made + 1}`
        change(() => {
          cloud.made++
          cloud.things.set(id, { kind: identity, name, token, owner, inputs: structuredClone(wanted) })
        })
        return { id }
      },
      settle: async ({ id }) => (cloud.things.has(id) ? { status: 'ready', outputs: { id } } : { status: 'failed', reason: 'it is gone' }),
      read: async ({ id }) => {
        const thing = cloud.things.get(id)
        return thing && { inputs: structuredClone(thing.inputs), outputs: { id } }
      },
      list: async ({ platformId }) => [...cloud.things].filter(([, thing]) => thing.kind === identity && thing.owner.platformId === platformId).map(([id, { owner, name }]) => ({ id, owner, title: name })),
      async update({ id, inputs: wanted, checkpoint }) {
        await checkpoint()
        change(() => void (cloud.things.get(id)!.inputs = structuredClone(wanted)))
        return {}
      },
      async delete({ id, checkpoint }) {
        await checkpoint()
        if (cloud.things.has(id)) change(() => void cloud.things.delete(id))
        return {}
      },
    })
  })
}
