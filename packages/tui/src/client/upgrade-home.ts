import type { Environment } from '../cli/terminal.ts'
import { version } from '../version.ts'
import { connectIfRunning, isOlder, type Connection } from './connect.ts'
import { homeFolder, serverSocket } from './home.ts'
import { isReplacedOnDisk } from './server-program.ts'
import { startOnlySupervisor, startServer } from './start-server.ts'

/** A program of the home that runs as it was before an update, or from another copy of Pilot. */
export interface OldProgram {
  readonly name: 'supervisor' | 'server' | 'edge'
  readonly from: string
  readonly to: string
}

const anotherBuild = 'another build'
const thisBuild = `${version} as installed`

/** What runs in another build than the one that lies here. The databases are none of it: their program changes only with a major version, which a restart never does. */
export async function oldPrograms(env: Environment, running: Connection | undefined): Promise<OldProgram[]> {
  // Looking makes no home.
  if (serverSocket(homeFolder(env)) === undefined) return []
  const { isEdgeOutdated, isSupervisorOutdated, openHome } = await import('@pilot/host')
  const home = await openHome(homeFolder(env))
  const [supervisor, edge] = await Promise.all([isSupervisorOutdated(home), isEdgeOutdated(home)])
  const server = running === undefined ? undefined : isOlder(running.info.version, version) ? running.info.version : isReplacedOnDisk(running.info.build) ? anotherBuild : undefined
  return [
    ...(edge ? [{ name: 'edge' as const, from: anotherBuild, to: thisBuild }] : []),
    ...(supervisor ? [{ name: 'supervisor' as const, from: anotherBuild, to: thisBuild }] : []),
    ...(server === undefined ? [] : [{ name: 'server' as const, from: server, to: thisBuild }]),
  ]
}

/**
 * Replaces them: the edge first, while there is a supervisor that holds its sockets, so that no request fails (the last one ends what is
 * under way); then the supervisor, which adopts what runs; then the server, where jobs stop at their next step and go on in the next
 * one. Killed in between, the rest is done by the next call.
 */
export async function upgradeHome({ env, running, old, signal }: { env: Environment; running: Connection | undefined; old: readonly OldProgram[]; signal?: AbortSignal }): Promise<void> {
  const has = (name: OldProgram['name']): boolean => old.some((program) => program.name === name)
  const { ensureEdge, openHome, stopSupervisor } = await import('@pilot/host')
  const home = await openHome(homeFolder(env))
  if (has('edge')) await ensureEdge(home)
  if (has('supervisor')) {
    await stopSupervisor(home)
    await startOnlySupervisor(env)
  }
  if (has('server')) await startServer({ env, replace: (await connectIfRunning(env, signal))?.info ?? running?.info, ...(signal === undefined ? {} : { signal }) })
}
