import type { AppIdentity } from '@pilot/core'
import { homeFolder } from './home.ts'
import type { Environment } from '../cli/terminal.ts'

export interface HomeService {
  readonly name: string
  /** Of an app's process: whose. */
  readonly app?: AppIdentity
  /** Which of the app's processes, where it is not the app itself. */
  readonly process?: string
  readonly state: string
  readonly pid?: number
  /** ISO 8601. */
  readonly since?: string
  readonly restarts?: number
  readonly problem?: string
  /** With all its child processes; absent where the system does not tell. */
  readonly memoryBytes?: number
}

/** What Pilot keeps running for a home, the supervisor first; read from its files, so that it works without a server. */
export async function homeServices(env: Environment): Promise<HomeService[]> {
  const [{ listServices, openHome, serviceMemory, supervisorPid }, { isProcessAlive }] = await Promise.all([import('@pilot/host'), import('@pilot/core/process-identity')])
  const home = await openHome(homeFolder(env))
  const supervisor = await supervisorPid(home)
  const listed = listServices(home).map(({ name, app, process, status }) => {
    const { process: running, state = 'waiting', since, restarts, problem } = status ?? {}
    // Killed with its supervisor, as by a machine that was switched off, nobody has written down its end.
    const isGone = supervisor === undefined && (running === undefined || !isProcessAlive(running))
    return isGone ? { name, app, process, state: 'stopped', problem } : { name, app, process, state, pid: running?.pid, since, restarts, problem }
  })
  const memory = new Map((await serviceMemory(home)).map(({ pid, residentBytes }) => [pid, residentBytes]))
  const rows = [{ name: 'supervisor', state: supervisor === undefined ? 'stopped' : 'running', pid: supervisor }, ...listed]
  return rows.map((row) => ({ ...(definedOnly(row) as unknown as HomeService), ...(row.pid !== undefined && memory.has(row.pid) ? { memoryBytes: memory.get(row.pid)! } : {}) }))
}

const definedOnly = (row: object): object => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
