import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Environment } from '../cli/terminal.ts'

/** The server's name among the services of a home. */
export const serverService = 'server'

/** PILOT_HOME, else `~/.pilot`. */
export function homeFolder(env: Environment): string {
  return env['PILOT_HOME'] ? resolve(env['PILOT_HOME']) : join(homedir(), '.pilot')
}

/**
 * Where the server of a home listens; undefined when there is no such home yet. The same answer as `openHome` of the host
 * package gives (a test compares), without loading it: this is the way of every command while the server runs.
 */
export function serverSocket(home: string): string | undefined {
  try {
    const { run } = JSON.parse(readFileSync(join(home, 'home.json'), 'utf8')) as { run?: unknown }
    return typeof run === 'string' ? join(run, 'server.sock') : undefined
  } catch {
    return undefined
  }
}
