import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasErrno } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/**
 * Secrets of services at rest: AES-256-GCM with a key of the home that no backup of the specifications contains. The
 * supervisor opens them when it starts a service, so that a machine comes up again without anybody.
 */
export function seal(key: Buffer, value: unknown): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  const body = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
  return `v1.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64')}`
}

export function unseal<T>(key: Buffer, sealed: string): T {
  const [version, data] = sealed.split('.')
  if (version !== 'v1' || data === undefined) throw new Error('The sealed environment has an unknown form.')
  const bytes = Buffer.from(data, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(12, 28))
  return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')) as T
}

/** Equal values give equal hashes in this home, and say nothing elsewhere. */
export function keyedHash(key: Buffer, value: unknown): string {
  return createHmac('sha256', key).update(canonical(value)).digest('hex').slice(0, 24)
}

/** The key that seals services, made by whoever needs it first. */
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

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'object' && item !== null && !Array.isArray(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item))
}
