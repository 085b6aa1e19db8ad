import { PilotError } from '../errors/pilot-error.ts'

const part = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/

/** The parts of a secret's name (or of a prefix), checked. */
export function secretNameParts(name: string): readonly string[] {
  const parts = name.split('/')
  if (parts.every((each) => part.test(each))) return parts
  throw new PilotError('USAGE', `"${name}" is not the name of a secret`, { suggestion: 'Use letters, digits, `_`, `-` and `.`, in parts with `/` between them.' })
}

/**
 * The folder of one part. File systems of macOS do not tell `Key` from `KEY`, so upper case is written down after a `~`,
 * which no name contains: `JWT_KEY` becomes `jwt_key~7f`, a bit per character.
 */
export function encodePart(name: string): string {
  const bits = [...name].reduce((sum, character) => sum * 2n + (character === character.toLowerCase() ? 0n : 1n), 0n)
  return bits === 0n ? name : `${name.toLowerCase()}~${bits.toString(16)}`
}

export function decodePart(folder: string): string {
  const [lower = '', bits = '0'] = folder.split('~')
  const upper = BigInt(`0x${bits}`)
  return [...lower].map((character, index) => ((upper >> BigInt(lower.length - 1 - index)) & 1n ? character.toUpperCase() : character)).join('')
}
