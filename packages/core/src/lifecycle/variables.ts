import { PilotError } from '../errors/pilot-error.ts'

/**
 * `NAME=value` and its zero byte at the end: Linux starts no program with a longer one (MAX_ARG_STRLEN, E2BIG), whatever may be
 * free in its environment.
 */
export const maxVariableBytes = 128 * 1024

/** All of them together, a quarter of the usual stack on Linux and all of it on macOS leave at least this. */
export const maxEnvironmentBytes = 1024 * 1024

const elsewhere = 'Keep it in a file: of the source, of a volume or in the database, and give the app its place.'

/** POSIX names, as shells take them. A value of any text that a program can be started with. Throws USAGE, never with the value. */
export function refuseBadVariable(name: string, value: string): void {
  refuseBadName(name)
  if (value.includes('\0')) throw new PilotError('USAGE', `The value of ${name} holds a zero byte`, { reason: 'An environment variable ends at a zero byte.', suggestion: `Encode it first, for example with base64, and decode it in the app.` })
  const bytes = bytesOf(name, value)
  if (bytes > maxVariableBytes) throw new PilotError('USAGE', `${name} is ${kilobytes(bytes)}, more than the ${kilobytes(maxVariableBytes)} that an environment variable can have`, { reason: 'No program is started with a longer one.', suggestion: elsewhere, details: { name, bytes, maxBytes: maxVariableBytes } })
}

/** What each variable may have and all of them together may not. Throws USAGE, with the largest. */
export function refuseLargeEnvironment(env: Readonly<Record<string, string>>, title: string): void {
  const sizes = Object.entries(env).map(([name, value]) => ({ name, bytes: bytesOf(name, value) }))
  const bytes = sizes.reduce((sum, size) => sum + size.bytes, 0)
  if (bytes <= maxEnvironmentBytes) return
  const largest = sizes.toSorted((a, b) => b.bytes - a.bytes).slice(0, 3)
  throw new PilotError('USAGE', `The environment of ${title} is ${kilobytes(bytes)}, more than the ${kilobytes(maxEnvironmentBytes)} that a program can be started with`, {
    reason: `The largest: ${largest.map((size) => `${size.name} (${kilobytes(size.bytes)})`).join(', ')}.`,
    suggestion: elsewhere,
    details: { bytes, maxBytes: maxEnvironmentBytes },
  })
}

export function refuseBadName(name: string): void {
  // `__proto__`, `constructor` and the like: every object has them, so that one could not be told from one that is not set.
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !(name in Object.prototype)) return
  throw new PilotError('USAGE', `${JSON.stringify(name)} is not a name for a variable`, { suggestion: 'Use letters, digits and underscores, not beginning with a digit.' })
}

const bytesOf = (name: string, value: string): number => Buffer.byteLength(name) + 1 + Buffer.byteLength(value) + 1
const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1024)} KB`
