import { join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { createClient } from '@pilot/server/client'
import type { Info } from '@pilot/server/contract'
import type { Environment } from '../cli/terminal.ts'
import { homeFolder, serverService } from './home.ts'
import { serverBuild, serverProgram } from './server-program.ts'

/**
 * Makes the server of the home run and waits until it answers: the home, its supervisor, and the server as a service of it.
 * May be called by several commands at once. With `replace` an older server makes way; apps belong to the supervisor and
 * do not notice.
 */
export async function startServer({ env, replace, signal }: { env: Environment; replace: Info | undefined; signal?: AbortSignal }): Promise<void> {
  const host = await import('@pilot/host')
  const home = await host.openHome(homeFolder(env))
  // Its supervisor is as old; the next one adopts what runs.
  if (replace !== undefined) await host.stopSupervisor(home)
  const { command, args } = serverProgram()
  const revision = await host.putService(home, {
    name: serverService,
    command,
    args: [...args, home.dir],
    cwd: home.dir,
    env: serverEnvironment(env),
    logFile: join(home.paths.logs, `${serverService}.log`),
    restart: { when: 'always' },
    // Running jobs stop at their next step and go on in the next server.
    stopTimeoutMs: 15_000,
    order: 40,
  })
  try {
    await host.waitForService(home, serverService, { revision, timeoutMs: 90_000, ready: () => answers(home.paths.serverSocket, replace), ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    throw unreachable(env, error, host.tailOf(join(home.paths.logs, `${serverService}.log`)))
  }
}

export function unreachable(env: Environment, cause?: unknown, log: readonly string[] = []): PilotError {
  const reason = cause instanceof Error ? cause.message : undefined
  return new PilotError('SERVER_UNREACHABLE', `The Pilot server of ${homeFolder(env)} does not start.`, { ...(reason === undefined ? {} : { reason }), suggestion: 'See `server logs` and `doctor`.', details: { log }, cause })
}

/** What the server needs of this shell: where programs are and how Docker is reached. The rest of it is none of its business. */
function serverEnvironment(env: Environment): Record<string, string> {
  const passed = /^(PATH|HOME|USER|LOGNAME|LANG|LC_ALL|TZ|TMPDIR|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|DOCKER_.*|CONTAINER_HOST|BUILDX_.*|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|npm_config_.*|PIP_.*|GOPROXY|GOFLAGS|GONOSUMDB|GOSUMDB|PILOT_RUNNER(_CONCURRENCY)?)$/
  const kept = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && passed.test(entry[0]))
  return { ...Object.fromEntries(kept), PILOT_BUILD: serverBuild() }
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
