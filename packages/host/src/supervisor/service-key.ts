import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJson } from '@pilot/core/canonical'
import { keyedHash } from '@pilot/core/seal'
import { hasErrno } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/**
 * The key that seals the secrets of services, made by whoever needs it first. The supervisor opens them when it starts a
 * service, so that a machine comes up again without anybody; a copy of the specifications alone shows nothing.
 */
export function serviceKey(paths: HomePaths): Buffer {
  const path = join(paths.keys, 'services.key')
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    return readFileSync(path)
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error
  }
  try {
    writeFileSync(temporary, randomBytes(32), { mode: 0o600, flag: 'wx', flush: true })
    linkSync(temporary, path)
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  return readFileSync(path)
}

/** Names the content of a specification, secrets included, without telling anything about them. */
export function revisionOf(key: Buffer, value: unknown): string {
  return keyedHash(key, canonicalJson(value)).slice(0, 24)
}
