import type { ChildProcess } from 'node:child_process'
import { serviceStatus, supervisorPid, type Home } from '@pilot/host'

/** What may die. The first runner of a home is the server itself. */
export const victims = ['cli', 'server', 'supervisor', 'edge', 'postgres-control', 'postgres-apps', 'all'] as const
export type Victim = (typeof victims)[number]

/** Looked up beforehand, so that nothing lies between the moment and the signal. */
export async function pidsOf(home: Home, victim: Victim, cli: ChildProcess): Promise<readonly number[]> {
  const of = async (name: Victim): Promise<readonly number[]> => {
    const pid = name === 'cli' ? cli.pid : name === 'supervisor' ? await supervisorPid(home) : serviceStatus(home, name)?.process?.pid
    if (pid === undefined) throw new Error(`${name} does not run`)
    return [pid]
  }
  return victim === 'all' ? (await Promise.all(victims.filter((name) => name !== 'all').map(of))).flat() : await of(victim)
}

/** SIGKILL to all of them, in one turn. */
export function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
