import type { ErrorBody } from '@pilot/core/errors'
import { withInvocation } from './invocation.ts'
import { clean, cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'

/**
 * An error for people, cause first:
 *
 *     ✗ api did not become healthy within 60 s
 *       Why  exit code 1
 *       Log  Error: connect ECONNREFUSED 127.0.0.1:5432
 *       Try  `npm start -- logs api`
 *            (UNHEALTHY)
 */
export function renderError(error: ErrorBody, { form, style }: { form: string; style: Style }): string {
  const log = logLines(error)
  const rows: string[] = [`${style.bad(style.symbol.bad)} ${style.strong(clean(error.message).trimEnd())}`]
  if (error.reason !== undefined && error.reason !== error.message) rows.push(...labelled('Why', clean(error.reason).trimEnd().split('\n'), style))
  if (log.length > 0) rows.push(...labelled('Log', log, style))
  rows.push(...labelled('Try', withInvocation(clean(error.suggestion), form).split('\n'), style))
  rows.push(`       ${style.dim(`(${error.code})`)}`)
  return rows.join('\n')
}

/** Newest last; the last 20 of what the error carries. */
function logLines(error: ErrorBody): string[] {
  const log = error.details?.['log']
  const lines = typeof log === 'string' ? log.trimEnd().split('\n') : Array.isArray(log) ? log.map(String) : []
  return lines.slice(-20).map(cleanLine)
}

function labelled(label: string, lines: readonly string[], style: Style): string[] {
  return lines.map((line, index) => `  ${style.dim(index === 0 ? label.padEnd(4) : '    ')} ${line}`)
}
