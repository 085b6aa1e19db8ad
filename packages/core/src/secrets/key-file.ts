import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { PilotError } from '../errors/pilot-error.ts'
import { createExclusive, errorCode, guarded, makeSure } from '../store/durable-file.ts'

/**
 * Reads the key of a home, or makes it: 32 random bytes in a file of mode 0600. Of several processes that make it at once
 * one wins, and all get that one. Throws HOME_UNUSABLE when others may read the file, or when it holds no key.
 */
export async function loadOrCreateKey(path: string): Promise<KeyObject> {
  const found = await load(path)
  if (found !== undefined) {
    // Who made it may have been killed before its name was safe, and secrets will be written with it.
    await makeSure(path)
    return found
  }
  await createExclusive(path, `${randomBytes(keyBytes).toString('base64')}\n`)
  await makeSure(path)
  return (await load(path))!
}

const keyBytes = 32

async function load(path: string): Promise<KeyObject | undefined> {
  try {
    return await guarded(path, () => read(path))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function read(path: string): Promise<KeyObject> {
  const handle = await open(path, 'r')
  try {
    const { mode } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      throw new PilotError('HOME_UNUSABLE', `Others on this machine may read the key ${path}`, {
        reason: `its mode is ${(mode & 0o777).toString(8)}, not 600`,
        suggestion: `Run \`chmod 600 ${path}\`; if others may have read it, set the secrets of your apps anew.`,
      })
    }
    const bytes = Buffer.from((await handle.readFile('utf8')).trim(), 'base64')
    if (bytes.length !== keyBytes) {
      throw new PilotError('HOME_UNUSABLE', `${path} does not hold a key`, { reason: `it has ${bytes.length} bytes instead of ${keyBytes}`, suggestion: 'Restore the file from a backup of the home: without it no secret can be read.' })
    }
    return createSecretKey(bytes)
  } finally {
    await handle.close()
  }
}
