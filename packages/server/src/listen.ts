import { chmod, mkdir, rename, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { dirname } from 'node:path'
import type { Api } from './api/app.ts'

/** Long enough for a large source over a slow disk. */
const requestTimeoutMs = 30 * 60_000

export interface Listener {
  readonly port?: number
  /** Lets running requests end for a moment, then cuts them off. */
  close(graceMs?: number): Promise<void>
}

/**
 * The caller holds the lock of the home, so a socket file that is there belongs to a dead server, or to the server of a deleted
 * home in whose place this one is. Closing deletes whatever lies where the server began to listen: so it begins under a name of
 * its own, and the file stays behind, at which nobody answers.
 */
export async function listenOnSocket(api: Api, path: string): Promise<Listener> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const own = `${path}.${process.pid}.tmp`
  await rm(own, { force: true })
  const server = serverFor(api)
  await listening(server, { path: own })
  await chmod(own, 0o600)
  await rename(own, path)
  return { close: closer(server) }
}

/** 127.0.0.1 only. */
export async function listenOnPort(api: Api, port: number): Promise<Listener> {
  const server = serverFor(api)
  await listening(server, { host: '127.0.0.1', port })
  const address = server.address()
  return { close: closer(server), ...(address !== null && typeof address === 'object' ? { port: address.port } : {}) }
}

function serverFor(api: Api): Server {
  return createServer({ requestTimeout: requestTimeoutMs, keepAliveTimeout: 30_000 }, api).on('upgrade', api.upgrade)
}

function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

const closer =
  (server: Server) =>
  (graceMs = 1000): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), graceMs).unref()
    })
