import { join } from 'node:path'
import { catalogue, PilotError, type ErrorCode } from '@pilot/core/errors'
import { createClient } from '@pilot/server/client'
import type { Info } from '@pilot/server/contract'
import { startSupervisorInUnit } from '../autostart/in-unit.ts'
import type { Environment } from '../cli/terminal.ts'
import { homeFolder, serverService } from './home.ts'
import { serverEnvironment } from './server-environment.ts'
import { serverBuild, serverProgram } from './server-program.ts'

/**
 * Makes the server of the home run and waits until it answers: the home, its supervisor, and the server as a service of it.
 * May be called by several commands at once. With `replace` an older server makes way; apps belong to the supervisor and
 * do not notice.
 */
export async function startServer({ env, replace, signal }: { env: Environment; replace: Info | undefined; signal?: AbortSignal }): Promise<void> {
  const host = await import('@pilot/host')
  const home = await host.openHome(homeFolder(env))
  const full = await host.diskFull(home, { leastBytes: 1024 ** 2 })
  if (full !== undefined) throw full
  if (replace !== undefined) {
    // First the edge, while there is a supervisor that holds its sockets: no request fails then.
    if (await host.isEdgeOutdated(home)) await host.ensureEdge(home)
    // The supervisor is as old; the next one adopts what runs.
    await host.stopSupervisor(home)
  }
  if ((await host.supervisorPid(home)) === undefined) await startSupervisorInUnit(env)
  const { command, args } = serverProgram()
  const since = Date.now()
  const revision = await host.putService(home, {
    name: serverService,
    command,
    args: [...host.smallNode.server.args, ...args, home.dir],
    cwd: home.dir,
    env: { ...host.smallNode.server.env, PILOT_BUILD: serverBuild() },
    secretEnv: serverEnvironment(env),
    logFile: join(home.paths.logs, `${serverService}.log`),
    restart: { when: 'always' },
    // Running jobs stop at their next step and go on in the next server.
    stopTimeoutMs: 15_000,
    order: 40,
  })
  try {
    await host.waitForService(home, serverService, { revision, timeoutMs: 90_000, ready: () => answers(home.paths.serverSocket, replace), ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    const log = host.tailOf(join(home.paths.logs, `${serverService}.log`))
    throw (await host.diskFull(home, { leastBytes: 1024 ** 2 })) ?? lastWords(log, since) ?? unreachable(env, error, log)
  }
}

/** What keeps the others running, and nothing else; it starts what should run. */
export async function startOnlySupervisor(env: Environment): Promise<void> {
  const { ensureSupervisor, openHome, supervisorPid } = await import('@pilot/host')
  const home = await openHome(homeFolder(env))
  if ((await supervisorPid(home)) === undefined) await startSupervisorInUnit(env)
  await ensureSupervisor(home)
}

/** The next supervisor is one of the unit, and adopts what runs. */
export async function handToUnit(env: Environment): Promise<void> {
  const { openHome, stopSupervisor } = await import('@pilot/host')
  await stopSupervisor(await openHome(homeFolder(env)))
  await startOnlySupervisor(env)
}

/** Why it ended, when it said so itself since this command began to wait. */
function lastWords(log: readonly string[], since: number): PilotError | undefined {
  for (const line of log.toReversed()) {
    const { time, code, reason, suggestion, msg } = wordsOf(line)
    if (msg !== 'the server could not start' || !(Date.parse(String(time)) >= since) || !(String(code) in catalogue) || code === 'INTERNAL') continue
    return new PilotError(code as ErrorCode, 'The Pilot server does not start.', { ...(typeof reason === 'string' ? { reason } : {}), ...(typeof suggestion === 'string' ? { suggestion } : {}), details: { log } })
  }
  return undefined
}

function wordsOf(line: string): Record<string, unknown> {
  try {
    return (JSON.parse(line) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

export function unreachable(env: Environment, cause?: unknown, log: readonly string[] = []): PilotError {
  const reason = cause instanceof Error ? cause.message : undefined
  return new PilotError('SERVER_UNREACHABLE', `The Pilot server of ${homeFolder(env)} does not start.`, { ...(reason === undefined ? {} : { reason }), suggestion: 'See `server logs` and `doctor`.', details: { log }, cause })
}

async function answers(socketPath: string, replace: Info | undefined): Promise<boolean> {
  const client = createClient({ socketPath })
  try {
    const info = await client.request('info', { timeoutMs: 2000 })
    return replace === undefined || info.pid !== replace.pid
  } catch {
    return false
  } finally {
    client.close()
  }
}
