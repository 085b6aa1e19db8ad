import { loadCommand } from '../commands/index.ts'
import type { Terminal } from '../terminal.ts'
import { knownValues } from './known-values.ts'
import { commandIn, expectedAt, nameWords, type Candidate, type ValueKind } from './position.ts'
import { targetOf } from './target.ts'

/** A shell reads these words as they are: names that a shell would take for something else are left out. */
const harmless = /^[\w@%+,.:=/-]+$/

/** What the scripts of `completion` ask with `pilot __complete WORD... CURRENT`. One candidate per line, with a tab and its summary; `:files` or `:folders` where the shell knows better. */
export async function printCandidates(words: readonly string[], terminal: Terminal): Promise<void> {
  const lines = await candidates(words, terminal)
  if (lines.length > 0) terminal.stdout.write(`${lines.join('\n')}\n`)
}

async function candidates(typed: readonly string[], { env, cwd }: Terminal): Promise<readonly string[]> {
  const [words, current] = [typed.slice(0, -1), typed.at(-1) ?? '']
  const { name, family, unknown, rest } = commandIn(words)
  const definition = name === undefined ? undefined : await loadCommand[name]()
  const expected = expectedAt({ definition, rest, current })
  const fitting = (found: readonly Candidate[]): readonly string[] => unique(found.filter(({ word }) => word.startsWith(current) && harmless.test(word)).map(({ word, summary }) => (summary === '' ? word : `${word}\t${summary}`)))

  if (expected.type === 'words') return fitting(expected.candidates)
  if (expected.type === 'nothing') return definition === undefined && !unknown ? fitting(nameWords(family)) : []
  if (expected.of === 'folder') return [':folders']
  if (expected.of === 'file') return [':files']
  const app = expected.of === 'deployment' ? expected.given.find((word) => !word.startsWith('-')) : undefined
  const valuesOf = (kind: ValueKind) => knownValues(kind, { env, target: targetOf(words, { cwd, app }) })
  const known = expected.choices ?? (await Promise.all([expected.of, ...(expected.or === undefined || expected.or === 'file' ? [] : [expected.or])].map(valuesOf))).flat()
  // `domains` is a command, and others begin with it.
  const longer = name !== undefined && rest.length === 0 ? nameWords(name) : []
  const found = fitting([...longer, ...known.map((word) => ({ word, summary: '' }))])
  return found.length === 0 && expected.or === 'file' ? [':files'] : found
}

const unique = (lines: readonly string[]): readonly string[] => [...new Set(lines)]
