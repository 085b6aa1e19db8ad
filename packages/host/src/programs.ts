import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Programs of this package that run as processes of their own. */
export type HostProgram = 'supervisor' | 'edge'

/** How to start one: from the sources while developing, else the bundle that the package ships. */
export function hostProgram(name: HostProgram): { readonly command: string; readonly args: readonly string[] } {
  const fromSource = import.meta.url.endsWith('/src/programs.ts')
  const main = fromSource ? fileURLToPath(new URL(`./${name}/main.ts`, import.meta.url)) : createRequire(import.meta.url).resolve(`@pilot/host/${name}/main`)
  return { command: process.execPath, args: [...(fromSource ? ['--conditions=@pilot/source'] : []), ...flags[name], main] }
}

/** These programs live for months beside everything else, so they trade a little speed of the garbage collector for memory. */
const small = ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning']

/**
 * For those that wait for others nearly all the time: without V8's compilers, whose code and counters are a fifth of such a
 * process (a server of 75 instead of 91 MiB; an `up` takes as long). Regular expressions and WebAssembly are compiled as ever.
 */
export const waitingProgram: readonly string[] = [...small, '--no-opt', '--no-maglev', '--no-sparkplug', '--optimize-for-size']

const flags: Readonly<Record<HostProgram, readonly string[]>> = { supervisor: waitingProgram, edge: small }
