import { catalogue, type ErrorBody, type ErrorEntry } from '@pilot/core/errors'
import { withInvocation } from './invocation.ts'
import { clean, cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'
import { wrap } from './text/wrap.ts'

/**
 * An error for people, cause first:
 *
 *     ✗ api did not become healthy within 60 s
 *       Why  exit code 1
 *       Log  Error: connect ECONNREFUSED 127.0.0.1:5432
 *       Try  `npm start -- logs api`
 *            (UNHEALTHY)
 */
export function renderError(error: ErrorBody, { form, style, width = Infinity }: { form: string; style: Style; /** Of the terminal: sentences are wrapped, logs never. */ width?: number | undefined }): string {
  const sentences = (text: string) => text.trimEnd().split('\n').flatMap((line) => wrap(line, Math.max(40, width - labelWidth)))
  const log = logLines(error)
  const rows: string[] = [`${style.bad(style.symbol.bad)} ${style.strong(clean(error.message).trimEnd())}`]
  if (error.reason !== undefined && error.reason !== error.message) rows.push(...labelled('Why', sentences(withInvocation(clean(error.reason), form)), style))
  if (log.length > 0) rows.push(...labelled('Log', log, style))
  if (helps(error)) rows.push(...labelled('Try', sentences(withInvocation(clean(error.suggestion), form)), style))
  rows.push(`       ${style.dim(`(${error.code})`)}`)
  return rows.join('\n')
}

/** A code's general words that only say where in the error to look add nothing below it. */
function helps({ code, suggestion }: ErrorBody): boolean {
  const entry: ErrorEntry | undefined = catalogue[code]
  return entry?.pointsBack !== true || entry.suggestion !== suggestion
}

const labelWidth = '  Why  '.length

/** Newest last; the last 20 of what the error carries. */
function logLines(error: ErrorBody): string[] {
  const log = error.details?.['log']
  const lines = typeof log === 'string' ? log.trimEnd().split('\n') : Array.isArray(log) ? log.map(String) : []
  const shown = lines.slice(-20).map(cleanLine)
  return shown.some((line) => line.trim() !== '') ? shown : []
}

function labelled(label: string, lines: readonly string[], style: Style): string[] {
  return lines.map((line, index) => `  ${style.dim(index === 0 ? label.padEnd(4) : '    ')} ${line}`)
}
