import type { SecretRef } from '../provider/value.ts'

/**
 * Where secrets live, encrypted at rest. Names are paths such as `app/shop/api/production/JWT_KEY`.
 * Versions are immutable and count from 1; a rollback refers to an older one.
 */
export interface SecretStore {
  /** Stands in every reference, so that a reference finds its store again. */
  readonly name: string
  /** Writes the next version and returns its reference once it is durable. */
  put(name: string, value: string): Promise<SecretRef>
  /** Returns the newest version's reference, writing `create()` as version 1 if there is none. Generated secrets are made this way, before first use. */
  ensure(name: string, create: () => string): Promise<SecretRef>
  /** Throws NOT_FOUND when that version is not there. */
  get(reference: SecretRef): Promise<string>
  /** The newest version of every name below the prefix that has not been removed; with `removed`, of those too, as long as they can be read. */
  list(prefix: string, options?: { readonly removed?: boolean }): Promise<readonly { readonly name: string; readonly version: number; readonly updatedAt: string }[]>
  /** Hides the name from `list`; versions stay readable for the deployments that refer to them until `purge`. */
  remove(name: string): Promise<void>
  /** Deletes every version of every name below the prefix. */
  purge(prefix: string): Promise<void>
  /** A keyed hash for diffs: equal values give equal hashes on this platform and say nothing elsewhere. */
  fingerprint(value: string): Promise<string>
}
