import type { Mutant } from './table.ts'

/** The text with the change. Throws where the table no longer fits the code. */
export function mutated(text: string, { name, file, find, replace }: Pick<Mutant, 'name' | 'file' | 'find' | 'replace'>): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`The mutant ${name}: its text stands ${parts.length - 1} times in ${file}, not once. Let its row in scripts/mutants/table.ts follow the code.`)
  return parts.join(replace)
}

/** `packages/core`, of a file below it. */
export const packageOf = (file: string): string => file.split('/').slice(0, 2).join('/')
