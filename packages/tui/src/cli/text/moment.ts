import { PilotError } from '@pilot/core/errors'

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3600_000, d: 86_400_000 }

/** A point in time as people write it, as ISO 8601: `10m` ago, `10:30` of today, `2026-11-22T10:00`; without a zone, this machine's. */
export function momentOf(text: string, { option, now }: { readonly option: string; readonly now: number }): string {
  const [, count, unit] = /^(\d{1,6})\s?([smhd])$/.exec(text) ?? []
  if (count !== undefined) return new Date(now - Number(count) * units[unit!]!).toISOString()
  const [, clock] = /^(\d{1,2}:\d{2}(?::\d{2})?)$/.exec(text) ?? []
  const [, day, time = '00:00', zone = ''] = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/.exec(text) ?? []
  const today = new Date(now)
  const written = clock === undefined ? (day === undefined ? undefined : `${day}T${time}${zone}`) : `${today.getFullYear()}-${two(today.getMonth() + 1)}-${two(today.getDate())}T${clock.padStart(clock.length === 4 || clock.length === 7 ? clock.length + 1 : clock.length, '0')}`
  const ms = written === undefined ? Number.NaN : Date.parse(written)
  // February 30th is read as March 2nd.
  const isThere = !Number.isNaN(ms) && (day === undefined || new Date(`${day}T00:00Z`).toISOString().startsWith(day))
  if (!isThere) throw new PilotError('USAGE', `--${option} wants a time, not ${text}.`, { suggestion: 'These forms work: 10m, 2h or 7d (ago); 10:30 (today); 2026-11-22; 2026-11-22T10:00; 2026-11-22T10:00:05Z.' })
  return new Date(ms).toISOString()
}

const two = (number: number): string => String(number).padStart(2, '0')
