import type { Dependent } from './order.ts'

/** What an app says of others. */
export interface Related {
  readonly name: string
  /** Whom it calls. */
  readonly uses: readonly string[]
  /** Whose databases it shares. */
  readonly databases: readonly string[]
}

export const relationsOf = (name: string, runs: readonly { readonly uses: readonly string[]; readonly database?: { readonly own: true } | { readonly from: string } | undefined }[]): Related => ({
  name,
  uses: [...new Set(runs.flatMap(({ uses }) => uses))],
  databases: [...new Set(runs.flatMap(({ database }) => (database && 'from' in database ? [database.from] : [])))],
})

/**
 * Which apps must be there before each. Where these go round in a circle, which is how a part leaves a monolith (it shares the database
 * of the app that calls it), the database decides: as long as it is not `there` its owner goes first; afterwards the part does, so that
 * the owner's new version finds it.
 */
export function needsOf(apps: readonly Related[], { there }: { readonly there: readonly string[] }): readonly Dependent[] {
  const of = (name: string): Related | undefined => apps.find((app) => app.name === name)
  const calls = (from: string, isSought: (name: string) => boolean, seen: readonly string[] = []): boolean =>
    !seen.includes(from) && (of(from)?.uses ?? []).some((used) => isSought(used) || calls(used, isSought, [...seen, from]))
  return apps.map(({ name, uses, databases }) => {
    const shares = (used: string): boolean => of(used)?.databases.includes(name) ?? false
    const called = uses.filter((used) => there.includes(name) || !(shares(used) || calls(used, shares)))
    const owners = databases.filter((owner) => !(there.includes(owner) && calls(owner, (used) => used === name)))
    return { name, needs: [...called, ...owners] }
  })
}
