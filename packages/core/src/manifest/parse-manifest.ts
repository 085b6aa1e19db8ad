import { documentError } from './document-error.ts'
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

const invalid = (file: string, text: string, problems: readonly Problem[]) => documentError({ file, text, problems, suggestion: 'See docs/manifest.md for every key with its type and an example.' })
