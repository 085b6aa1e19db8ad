import { plain } from './yaml-source.ts'

/** `512m`, `1.5GB`, `536870912` of Docker, where k, m and g are powers of 1024 → `512Mi`; undefined where it is none. */
export function dockerSize(value: unknown): string | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?)i?b?$/i.exec(plain(value).trim()) ?? []
  if (number === undefined) return undefined
  const prefix = unit.toLowerCase()
  return prefix === '' ? number : `${number}${prefix === 'k' ? 'Ki' : prefix === 'm' ? 'Mi' : 'Gi'}`
}

/** `1m30s`, `90s`, 5 (seconds) → `90s`; undefined where it is none. */
export function goDuration(value: unknown): string | undefined {
  if (typeof value === 'number') return `${value}s`
  const text = plain(value).trim()
  if (!/^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/.test(text)) return undefined
  const factors: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 }
  const seconds = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * factors[unit!]!, 0)
  return Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`
}
