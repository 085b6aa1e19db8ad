import { crc32 } from 'node:zlib'

/**
 * A JSON document with a checksum around it, `{"crc":"…","value":…}`, so that a damaged one is never taken for another one. A
 * document without is read too: written by an older Pilot, or by hand.
 */
export const encodeChecked = (json: string): string => `${opening(checksum(json))}${json}}\n`

/** The JSON text in it. Throws an Error that says what is wrong. */
export function decodeChecked(text: string): string {
  const json = text.slice(openingLength, -2)
  if (text === encodeChecked(json)) return json
  // Damage to one end of the opening leaves the other.
  if (text.startsWith('{"crc":"') || text.startsWith('","value":', 16)) throw new Error('it does not match its checksum')
  return text
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, '0')
const opening = (sum: string) => `{"crc":"${sum}","value":`
const openingLength = opening('00000000').length
