import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Programs of this package that run as processes of their own. */
export type HostProgram = 'supervisor' | 'edge'

/** How to start one: from the sources while developing, else the bundle that the package ships. PILOT_BUILD tells one build of it from the next: an update gets another process. */
export function hostProgram(name: HostProgram): { readonly command: string; readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const fromSource = import.meta.url.endsWith('/src/programs.ts')
  const main = fromSource ? fileURLToPath(new URL(`./${name}/main.ts`, import.meta.url)) : createRequire(import.meta.url).resolve(`@pilot/host/${name}/main`)
  return { command: process.execPath, args: [...(fromSource ? ['--conditions=@pilot/source'] : []), ...smallNode[name].args, main], env: { ...smallNode[name].env, PILOT_BUILD: `${statSync(main, { throwIfNoEntry: false })?.mtimeMs ?? 0} ${main}` } }
}

/** The garbage collector goes over new objects sooner, and threads share one arena, since glibc gives what each of several has freed to nobody else. */
const small = { args: ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning'], env: { MALLOC_ARENA_MAX: '1' } }
const withoutOptimizers = [...small.args, '--no-opt', '--no-maglev']

/**
 * What Node is started with, since these programs live for months beside everything else. All but the edge wait nearly all the time
 * and do without V8's optimizing compilers; the supervisor does so little that it is interpreted. A server takes 75 instead of
 * 90 MiB, and an `up` as long as before.
 */
export const smallNode = {
  supervisor: { ...small, args: [...withoutOptimizers, '--no-sparkplug', '--optimize-for-size'] },
  edge: small,
  server: { ...small, args: withoutOptimizers },
} as const satisfies Record<string, { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }>
