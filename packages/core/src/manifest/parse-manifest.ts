import { PilotError } from '../errors/pilot-error.ts'
import type { Problem } from './problem.ts'
import { referenceProblems } from './references.ts'
import { schemaProblems } from './schema-problems.ts'
import { manifestSchema, type Manifest } from './schema.ts'
import { readYaml, type Path, type Position } from './yaml-document.ts'

export interface ParsedManifest {
  readonly manifest: Manifest
  /** Where a key or value stands, for messages that come later. */
  locate(path: Path, part?: 'key' | 'value'): Position
  /** A scalar as it was written: `1.10`, not 1.1. */
  written(path: Path): string | undefined
}

const shown = 5

/**
 * Reads the text of a pilot.yaml. `file` is its name in messages. Throws MANIFEST_INVALID, which names every error (the first
 * few in the message, all in details.problems) with file, line, column, the value found and the valid ones.
 */
export function parseManifest({ text, file }: { text: string; file: string }): ParsedManifest {
  const document = readYaml(text)
  if (document.problems.length > 0) throw invalid(file, text, document.problems)
  if (document.value === null) throw invalid(file, text, [{ path: [], line: 1, column: 1, message: 'The manifest is empty: write `project` and `apps`' }])

  const result = manifestSchema.safeParse(document.value)
  if (!result.success) throw invalid(file, text, schemaProblems(document, result.error.issues))
  const problems = referenceProblems(result.data, document)
  if (problems.length > 0) throw invalid(file, text, problems)
  return { manifest: result.data, locate: document.locate, written: document.written }
}

function invalid(file: string, text: string, problems: readonly Problem[]): PilotError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const lines = sorted.slice(0, shown).map((problem) => `${file}:${problem.line}:${problem.column}: ${problem.message}`)
  if (sorted.length > shown) lines.push(`… and ${sorted.length - shown} more`)
  return new PilotError('MANIFEST_INVALID', lines.join('\n'), {
    ...(sorted[0] ? { reason: frame(text, sorted[0]) } : {}),
    suggestion: 'See docs/manifest.md for every key with its type and an example.',
    details: { file, problems: sorted.map(({ path, line, column, message }) => ({ path: path.join('.'), line, column, message })) },
  })
}

/** The line of the first error with a mark below it. */
function frame(text: string, { line, column }: Problem): string {
  const source = (text.split(/\r?\n/, line)[line - 1] ?? '').replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
  const start = Math.max(0, column - 60)
  return `${line} | ${source.slice(start, start + 100)}\n${' '.repeat(String(line).length)} | ${' '.repeat(column - 1 - start)}^`
}
