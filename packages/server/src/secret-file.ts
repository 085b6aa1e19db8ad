import { randomBytes } from 'node:crypto'
import { readOrCreate } from '@pilot/host'

/** A random text in a file of 0600, made by whoever asks first and the same for all who ask later. */
export async function secretFile(path: string): Promise<string> {
  return readOrCreate(path, () => `${randomBytes(32).toString('base64url')}\n`).toString('utf8').trim()
}
