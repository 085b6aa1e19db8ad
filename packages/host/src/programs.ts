import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Programs of this package that run as processes of their own. */
export type HostProgram = 'supervisor' | 'edge'

/** How to start one: from the sources while developing, else the bundle that the package ships. */
export function hostProgram(name: HostProgram): { readonly command: string; readonly args: readonly string[] } {
  const fromSource = import.meta.url.endsWith('/src/programs.ts')
  const main = fromSource ? fileURLToPath(new URL(`./${name}/main.ts`, import.meta.url)) : createRequire(import.meta.url).resolve(`@pilot/host/${name}/main`)
  return { command: process.execPath, args: [...(fromSource ? ['--conditions=@pilot/source'] : []), ...smallProcess, main] }
}

/** These programs live for months beside everything else, so they trade a little speed of the garbage collector for memory. */
const smallProcess = ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning']
