import { PilotError } from '../errors/pilot-error.ts'
import type { Problem } from './problem.ts'

const shown = 5

/** MANIFEST_INVALID with every error (the first few in the message, all in details.problems), each with file, line and column. */
export function documentError({ text, file, problems, suggestion }: { text: string; file: string; problems: readonly Problem[]; suggestion: string }): PilotError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const lines = sorted.slice(0, shown).map((problem) => `${file}:${problem.line}:${problem.column}: ${problem.message}`)
  if (sorted.length > shown) lines.push(`… and ${sorted.length - shown} more`)
  return new PilotError('MANIFEST_INVALID', lines.join('\n'), {
    ...(sorted[0] ? { reason: frame(text, sorted[0]) } : {}),
    suggestion,
    details: { file, problems: sorted.map(({ path, line, column, message }) => ({ path: path.join('.'), line, column, message })) },
  })
}

/** The line of the first error with a mark below it. */
function frame(text: string, { line, column }: Problem): string {
  const source = (text.split(/\r?\n/, line)[line - 1] ?? '').replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
  const start = Math.max(0, column - 60)
  return `${line} | ${source.slice(start, start + 100)}\n${' '.repeat(String(line).length)} | ${' '.repeat(column - 1 - start)}^`
}
