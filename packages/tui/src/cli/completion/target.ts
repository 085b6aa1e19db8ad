import { resolve } from 'node:path'

/** Which project, environment and app the words before the cursor address. */
export interface CommandTarget {
  readonly dir: string
  readonly project?: string
  readonly environment?: string
  readonly app?: string
}

export function targetOf(words: readonly string[], { cwd, app }: { readonly cwd: string; readonly app: string | undefined }): CommandTarget {
  const after = (...names: string[]): string | undefined => words[words.findLastIndex((word) => names.includes(word)) + 1]
  const given = (...names: string[]): string | undefined => (names.some((name) => words.includes(name)) ? after(...names) : undefined)
  const [project, environment, named] = [given('-p', '--project'), given('-e', '--environment'), given('-a', '--app') ?? app]
  return { dir: resolve(cwd, given('-C', '--dir') ?? '.'), ...(project ? { project } : {}), ...(environment ? { environment } : {}), ...(named ? { app: named } : {}) }
}
