import { hostname, userInfo } from 'node:os'
import { isPilotError } from '@pilot/core/errors'
import { createClient, type Client } from '@pilot/server/client'
import type { Info } from '@pilot/server/contract'
import type { Environment } from '../cli/terminal.ts'
import { version } from '../version.ts'
import { homeFolder, serverSocket } from './home.ts'
import { isReplacedOnDisk } from './server-program.ts'

export interface Connection {
  readonly client: Client
  readonly info: Info
}

/** The server of the home, if it runs. Starts nothing and loads nothing but Node's HTTP client. */
export async function connectIfRunning(env: Environment, signal?: AbortSignal): Promise<Connection | undefined> {
  const socketPath = serverSocket(homeFolder(env))
  if (socketPath === undefined) return undefined
  const client = createClient({ socketPath, by: actor() })
  try {
    return { client, info: await client.request('info', { timeoutMs: 15_000, ...(signal === undefined ? {} : { signal }) }) }
  } catch (error) {
    client.close()
    if (isPilotError(error) && (error.code === 'SERVER_UNREACHABLE' || error.code === 'TIMED_OUT')) return undefined
    throw error
  }
}

/** The server of the home, started when it does not run, and restarted when it is older than what is installed. Apps are not touched. */
export async function connect({ env, say, signal, running: looking = connectIfRunning(env, signal) }: { env: Environment; say: (line: string) => void; signal?: AbortSignal; /** A look that is under way. */ running?: Promise<Connection | undefined> }): Promise<Connection> {
  const running = await looking
  if (running !== undefined && !isOutdated(running.info)) return running
  const { startServer } = await import('./start-server.ts')
  if (running !== undefined) {
    say(`Replacing the server ${running.info.version} by ${running.info.version === version ? 'a newer build' : version}; apps are not touched`)
    running.client.close()
  } else say('Starting the Pilot server of this machine')
  await startServer({ env, replace: running?.info, ...(signal === undefined ? {} : { signal }) })
  const started = await connectIfRunning(env, signal)
  if (started === undefined) throw (await import('./start-server.ts')).unreachable(env)
  return started
}

const isOutdated = (info: Info): boolean => isOlder(info.version, version) || isReplacedOnDisk(info.build)

/** Who acts, as records name it: `ada@laptop`. */
function actor(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // A user id without an entry in passwd, as containers have it.
    return `uid${process.getuid?.() ?? ''}@${hostname()}`
  }
}

/** Compares `1.10.2` with `1.9.0` by numbers; what follows a hyphen does not count. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.split('-')[0]!.split('.').map(Number))
  for (let index = 0; index < 3; index++) {
    const difference = (left![index] ?? 0) - (right![index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
