import type { Env } from '@pilot/server/contract'
import type { DotenvEntry } from '../import/dotenv.ts'
import { looksSecret } from '../import/looks-secret.ts'

/** What an import does with one name of the file. */
export interface ImportLine {
  readonly name: string
  readonly change: 'new' | 'changed' | 'unchanged' | 'left out'
  readonly to: 'env' | 'secret'
  readonly value: string
  /** What the app has now. */
  readonly before?: string
  /** Why the value looks like a secret: then it is not shown. */
  readonly secretive?: string
  readonly note?: string
}

export interface ImportPlan {
  readonly lines: readonly ImportLine[]
  readonly set: Readonly<Record<string, string>>
  /** Set in the open today, and about to become secrets. */
  readonly unset: readonly string[]
  readonly secrets: Readonly<Record<string, string>>
  /** Go to the environment and look like secrets. */
  readonly exposed: readonly string[]
  /** Are secrets of the app already: a variable of that name would not be seen. */
  readonly conflicts: readonly string[]
}

/** Compares a file with what the app has: pure. */
export function planImport({ entries, env, secrets: wanted }: { entries: readonly DotenvEntry[]; env: Env; secrets: readonly string[] }): ImportPlan {
  const present = new Map(env.values.map((value) => [value.key, value]))
  const lines = entries.map(({ name, value }): ImportLine => {
    const now = present.get(name)
    const secretive = looksSecret(name, value)
    const hint = secretive === undefined ? {} : { secretive }
    if (name === 'PORT') return { name, value, to: 'env', change: 'left out', note: 'Pilot gives it; `port:` in pilot.yaml says where the app listens' }
    if (wanted.includes(name)) return { name, value, to: 'secret', change: now?.source === 'secret' ? 'changed' : 'new', ...hint }
    const before = now?.value === undefined ? {} : { before: now.value }
    const isSet = now?.source === 'env set' || now?.hides?.includes('env set') === true
    if (now?.value === value) return { name, value, to: 'env', change: 'unchanged', ...before, ...hint }
    const over = isSet || now === undefined ? {} : { note: `over ${now.source === 'platform' ? `what Pilot gives (${now.from ?? 'platform'})` : 'the manifest'}` }
    return { name, value, to: 'env', change: now === undefined ? 'new' : 'changed', ...before, ...hint, ...over }
  })
  const changing = lines.filter(({ change }) => change === 'new' || change === 'changed')
  const valuesOf = (to: ImportLine['to']) => Object.fromEntries(changing.filter((line) => line.to === to).map(({ name, value }) => [name, value]))
  return {
    lines,
    set: valuesOf('env'),
    unset: changing.filter(({ to, name }) => to === 'secret' && isSetInTheOpen(present.get(name))).map(({ name }) => name),
    secrets: valuesOf('secret'),
    exposed: changing.filter(({ to, secretive }) => to === 'env' && secretive !== undefined).map(({ name }) => name),
    conflicts: changing.filter(({ to, name }) => to === 'env' && present.get(name)?.source === 'secret').map(({ name }) => name),
  }
}

const isSetInTheOpen = (value: Env['values'][number] | undefined): boolean => value?.source === 'env set' || value?.hides?.includes('env set') === true
