/** Which package may import which, as docs/how-it-works.md draws it. What stands in no row may not be imported. */
export const directions: Readonly<Record<string, Direction>> = {
  core: { may: [] },
  'docker-remote': { may: ['@pilot/core'] },
  'cloud-init-builder': { may: ['@pilot/core'] },
  host: { may: ['@pilot/core'] },
  'provider-*': { may: ['@pilot/core', '@pilot/host', '@pilot/docker-remote', '@pilot/cloud-init-builder'] },
  server: { may: ['@pilot/core', '@pilot/host', '@pilot/docker-remote', '@pilot/cloud-init-builder', '@pilot/provider-*'] },
  // The terminal speaks to the server through its contract and its client, so of the server nothing else.
  tui: { may: ['@pilot/core', '@pilot/host'], mayExactly: ['@pilot/server/contract', '@pilot/server/client'] },
}

export interface Direction {
  /** Packages with all their subpaths, without `/testing`. */
  readonly may: readonly string[]
  /** Single subpaths. */
  readonly mayExactly?: readonly string[]
}

/** Programs, examples and tests of these folders are not part of any package and may import every one. */
export const outside = ['e2e', 'bench', 'examples', 'scripts']

export function isAllowed({ from, specifier, isTest }: { from: string; specifier: string; isTest: boolean }): boolean {
  const [scope, name, ...rest] = specifier.split('/')
  const target = `${scope}/${name}`
  // A package names itself in tests and for programs that it starts; `/testing` is for tests and other `/testing`.
  if (target === `@pilot/${from}`) return true
  if (rest[0] === 'testing' && !isTest) return false
  const direction = Object.entries(directions).find(([pattern]) => matches(pattern, from))?.[1]
  if (direction === undefined) return false
  return direction.may.some((pattern) => matches(pattern, target)) || (direction.mayExactly?.includes(specifier) ?? false)
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}
