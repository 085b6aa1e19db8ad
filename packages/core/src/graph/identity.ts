import { createHash } from 'node:crypto'
import type { Listed, Ownership } from '../provider/kind.ts'

/**
 * The name that a provider is asked to create a resource under: `pilot-<readable part of the key>-<hash>`, at most 40
 * characters of [a-z0-9-]. The hash is the first 12 hexadecimal digits of SHA-256 over (platformId, scope, key, generation),
 * so equal owners give equal names on every machine and different ones differ, however much of the key was cut off.
 */
export function resourceName(owner: Ownership): string {
  const hash = ownerHash('name', owner).slice(0, 12)
  const readable = owner.key
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, nameLength - 'pilot--'.length - hash.length)
    .replaceAll(/^-+|-+$/g, '')
  return readable === '' ? `pilot-${hash}` : `pilot-${readable}-${hash}`
}

/** By its marks; where the provider has room for a name only, by the hash in the name. */
export function isCreationOf(context: Pick<Ownership, 'platformId' | 'scope'>, { owner, id, title, retained }: Listed, { key, generation }: Pick<Ownership, 'key' | 'generation'>): boolean {
  if (retained === true) return false
  if (owner.scope !== undefined && owner.scope !== context.scope) return false
  if (owner.key !== undefined && owner.generation !== undefined) return owner.key === key && owner.generation === generation
  const name = resourceName({ platformId: context.platformId, scope: context.scope, key, generation })
  return id.includes(name) || title.includes(name)
}

/** The idempotency token of an owner: 32 hexadecimal digits of SHA-256 over the same four facts. */
export const resourceToken = (owner: Ownership): string => ownerHash('token', owner).slice(0, 32)

export interface Identity {
  readonly name: string
  readonly token: string
}

/** Remembers what it computed: every call to a handler carries both. */
export function identityCache({ platformId, scope }: Pick<Ownership, 'platformId' | 'scope'>): (owner: Pick<Ownership, 'key' | 'generation'>) => Identity & { readonly owner: Ownership } {
  const known = new Map<string, Identity & { readonly owner: Ownership }>()
  return ({ key, generation }) => {
    const slot = `${key}#${generation}`
    let found = known.get(slot)
    if (found === undefined) {
      const owner = { platformId, scope, key, generation }
      found = { owner, name: resourceName(owner), token: resourceToken(owner) }
      known.set(slot, found)
    }
    return found
  }
}

const nameLength = 40

function ownerHash(purpose: string, { platformId, scope, key, generation }: Ownership): string {
  return createHash('sha256').update(JSON.stringify([purpose, platformId, scope, key, generation])).digest('hex')
}
