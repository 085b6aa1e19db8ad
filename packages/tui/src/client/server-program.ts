import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const fromSource = import.meta.url.endsWith('.ts')

/** How the server starts: from its sources while developing, else the bundle that its package ships. Found by path, never imported. */
export function serverProgram(): { command: string; args: string[] } {
  const conditions = fromSource ? ['--conditions=@pilot/source'] : []
  return { command: process.execPath, args: [...conditions, serverFile()] }
}

/** Tells one build of a version from the next: where the program lies, and since when. */
export const serverBuild = (): string => buildOf(serverFile())

/**
 * Whether a running server is of another build than what lies at its place today: the user updated Pilot, or removed it there and
 * uses another copy. Two copies that are both there leave each other's server alone.
 */
export function isReplacedOnDisk(running: string | undefined): boolean {
  const file = running?.slice(running.indexOf(' ') + 1)
  return file !== undefined && buildOf(file) !== running
}

const buildOf = (file: string): string => `${statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0} ${file}`

const serverFile = (): string => (fromSource ? fileURLToPath(import.meta.resolve('@pilot/server/main')) : createRequire(import.meta.url).resolve('@pilot/server/main'))
