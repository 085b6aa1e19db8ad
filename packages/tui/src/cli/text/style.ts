import pc from 'picocolors'

/** Semantic colours and symbols for one stream. */
export interface Style {
  readonly color: boolean
  /** Columns of the terminal; Infinity where there is none, since a program reads that. */
  readonly width: number
  strong(text: string): string
  dim(text: string): string
  ok(text: string): string
  warn(text: string): string
  bad(text: string): string
  accent(text: string): string
  readonly symbol: Readonly<Record<SymbolName, string>>
}

type SymbolName = 'ok' | 'bad' | 'warn' | 'info' | 'same' | 'arrow' | 'dot' | 'bar' | 'child'

export function createStyle({ color, unicode, width = Infinity }: { color: boolean; unicode: boolean; width?: number | undefined }): Style {
  const c = pc.createColors(color)
  return {
    color,
    width,
    strong: c.bold,
    dim: c.dim,
    ok: c.green,
    warn: c.yellow,
    bad: c.red,
    accent: c.cyan,
    symbol: unicode
      ? { ok: '✓', bad: '✗', warn: '!', info: 'i', same: '=', arrow: '→', dot: '·', bar: '│', child: '└' }
      : { ok: '+', bad: 'x', warn: '!', info: 'i', same: '=', arrow: '->', dot: '-', bar: '|', child: '`-' },
  }
}

/** NO_COLOR wins, then FORCE_COLOR, then whether somebody looks at it. */
export function wantsColor(env: Readonly<Record<string, string | undefined>>, isTTY: boolean): boolean {
  if (env['NO_COLOR']) return false
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true
  return isTTY && env['TERM'] !== 'dumb' && !env['CI']
}

/** Whether the terminal shows more than ASCII, as far as the locale says. */
export function wantsUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  if (env['TERM'] === 'linux') return false
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return locale === '' || /utf-?8/i.test(locale)
}
