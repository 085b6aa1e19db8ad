const sizes: Readonly<Record<string, number>> = { '': 1, k: 1000, K: 1000, M: 1000 ** 2, G: 1000 ** 3, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }
const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3600_000 }

/** `512Mi` → 536870912. The text has passed the schema. */
export function parseSize(text: string | number): number {
  const [, amount, unit] = /^([\d.]+)([A-Za-z]*)$/.exec(String(text)) ?? []
  return Math.round(Number(amount) * (sizes[unit ?? ''] ?? Number.NaN))
}

/** `30s` → 30000. The text has passed the schema. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^([\d.]+)(ms|s|m|h)$/.exec(text) ?? []
  return Math.round(Number(amount) * (durations[unit ?? ''] ?? Number.NaN))
}

/** `10%` and 10 → 10. The text has passed the schema. */
export const parsePercent = (text: string | number): number => Number(String(text).replace('%', ''))

/** 536870912 → `512 MB`, for people: in units of 1024, as editors and file managers show them. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const amount = bytes / 1024 ** power
  return `${power === 0 || amount >= 10 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`
}
