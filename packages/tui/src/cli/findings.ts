import type { Finding } from '@pilot/core'
import { withInvocation } from './invocation.ts'
import { cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'

/** What a check found, each with its fix. */
export function printFindings(findings: readonly Finding[], { style, form, print }: { style: Style; form: string; print: (line: string) => void }): void {
  for (const finding of findings) for (const line of findingLines(finding, { style, form })) print(line)
}

export function findingLines({ status, title, fix }: Finding, { style, form }: { style: Style; form: string }): string[] {
  const mark = { ok: style.ok(style.symbol.ok), warning: style.warn(style.symbol.warn), problem: style.bad(style.symbol.bad) }[status]
  return [`${mark} ${cleanLine(title)}`, ...(fix === undefined || status === 'ok' ? [] : [`  ${style.dim('Fix')} ${withInvocation(cleanLine(fix), form)}`])]
}
