import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import { PilotError } from '../errors/pilot-error.ts'

/** 32 random bytes, as {@link loadOrCreateKey} reads them: a KeyObject prints and serializes as nothing. */
export type SealKey = KeyObject | Uint8Array

/** `pilot1.<key id>.<nonce, tag and ciphertext>`: text that may stand in a file or in JSON. */
export type SealedBox = string

/**
 * Encrypts text for a file at rest: AES-256-GCM under a key derived from `key`, with a random nonce. `context` says what
 * the box is (a path, a name and version); it is not stored, and the box opens only with the same context, so that boxes cannot be swapped.
 */
export function seal(key: SealKey, text: string, context = ''): SealedBox {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', derive(key, 'seal'), nonce).setAAD(Buffer.from(context))
  const payload = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${prefix}.${keyId(key)}.${payload.toString('base64url')}`
}

/** Throws SECRET_UNREADABLE when the box was made with another key or context, or was damaged. */
export function unseal(key: SealKey, box: SealedBox, context = ''): string {
  const [version, id, encoded] = box.trim().split('.')
  if (version !== prefix || id === undefined || encoded === undefined) throw unreadable('it is not in the form that Pilot writes')
  if (id !== keyId(key)) throw unreadable('it was encrypted with another key')
  const payload = Buffer.from(encoded, 'base64url')
  if (payload.length < nonceBytes + tagBytes) throw unreadable('it is cut off')
  const decipher = createDecipheriv('aes-256-gcm', derive(key, 'seal'), payload.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(context))
    .setAuthTag(payload.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(payload.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8')
  } catch {
    throw unreadable('it is damaged, or it belongs to another place')
  }
}

/** A keyed hash: equal texts give equal hashes under one key, and without the key it says nothing about the text. */
export function keyedHash(key: SealKey, text: string): string {
  return createHmac('sha256', derive(key, 'fingerprint')).update(text).digest('hex')
}

const prefix = 'pilot1'
const nonceBytes = 12
const tagBytes = 16

/** One key per purpose, so that no purpose weakens another. */
const derive = (key: SealKey, purpose: string) => Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `pilot/${purpose}`, 32))

const keyId = (key: SealKey) => Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), 'pilot/key-id', 6)).toString('base64url')

function unreadable(reason: string): PilotError {
  return new PilotError('SECRET_UNREADABLE', 'A secret cannot be decrypted', { reason })
}
