import type { Redactor } from './redactor.ts'

/**
 * A copy of a value as JSON would give it, with every string in it redacted. Keys and numbers stay: the text of JSON must not be
 * redacted itself, since a secret such as `536870` is also a piece of a number.
 */
export function redactValue<T>(value: T, { redact }: Pick<Redactor, 'redact'>): T {
  const text = JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? redact(part) : part)) as string | undefined
  return text === undefined ? value : (JSON.parse(text) as T)
}
