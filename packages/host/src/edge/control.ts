import { chmodSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { processIdentity } from '@pilot/core/process-identity'
import { createServer, type Server } from './node-http.ts'
import { join } from 'node:path'
import type { Home } from '../home/home.ts'

/** What the edge tells over its control socket. */
export interface ControlHandlers {
  /** Reads the files again; answers when they are applied. */
  reload(): Promise<object>
  state(): object
  metrics(): object
  open(query: URLSearchParams): object
  drain(): object
}

/** How long an edge that leaves may finish what is under way. */
export const longestDrainMs = 30_000

export const controlSocketName = (pid: number): string => `edge-${pid}.sock`

/**
 * Listens on a socket of its own and points `edge.sock` at it: while an edge leaves and its successor serves, both can be
 * asked, and neither removes the other's socket.
 */
export async function serveControl(home: Home, handlers: ControlHandlers): Promise<Server> {
  const path = join(home.paths.run, controlSocketName(process.pid))
  rmSync(path, { force: true })
  // One that was killed could not remove its own.
  controlSockets(home)
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://edge')
    const answer = async (): Promise<object | undefined> => {
      switch (`${request.method} ${url.pathname}`) {
        case 'POST /reload':
          return await handlers.reload()
        case 'GET /state':
          return handlers.state()
        case 'GET /metrics':
          return handlers.metrics()
        case 'GET /open':
          return handlers.open(url.searchParams)
        case 'POST /drain':
          return handlers.drain()
        default:
          return undefined
      }
    }
    answer().then(
      (body) => {
        response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? { error: 'no such request' }))
      },
      (error: Error) => response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: error.message })),
    )
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  chmodSync(path, 0o600)
  return server
}

/** From now on `edge.sock` is this process. */
export function pointControlHere(home: Home): void {
  const link = `${home.paths.edgeSocket}.${process.pid}.tmp`
  rmSync(link, { force: true })
  symlinkSync(controlSocketName(process.pid), link)
  renameSync(link, home.paths.edgeSocket)
}

/** Whether no successor has taken over. */
export function isCurrentControl(home: Home): boolean {
  try {
    return readlinkSync(home.paths.edgeSocket) === controlSocketName(process.pid)
  } catch {
    return true
  }
}

/** Sockets of edges that are alive, and removes those of dead ones. */
export function controlSockets(home: Home): readonly string[] {
  return readdirSync(home.paths.run).flatMap((file) => {
    const pid = Number(/^edge-(\d+)\.sock$/.exec(file)?.[1])
    if (!Number.isInteger(pid)) return []
    const path = join(home.paths.run, file)
    // One that was killed with whoever started it may be a zombie for a while.
    if (processIdentity(pid) !== undefined) return [path]
    rmSync(path, { force: true })
    return []
  })
}
