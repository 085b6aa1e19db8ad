import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { canonicalJson } from '@pilot/core/canonical'
import { keyedHash } from '@pilot/core/seal'
import { readOrCreate } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/**
 * The key that seals the secrets of services, made by whoever needs it first. The supervisor opens them when it starts a
 * service, so that a machine comes up again without anybody; a copy of the specifications alone shows nothing.
 */
export function serviceKey(paths: HomePaths): Buffer {
  return readOrCreate(join(paths.keys, 'services.key'), () => randomBytes(32))
}

/** Names the content of a specification, secrets included, without telling anything about them. */
export function revisionOf(key: Buffer, value: unknown): string {
  return keyedHash(key, canonicalJson(value)).slice(0, 24)
}
