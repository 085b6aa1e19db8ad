import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Route } from '../edge/routes.ts'
import { openHome, removeHome, type Home } from '../home/home.ts'
import { stopSupervisor } from '../supervisor/client.ts'

/** For the tests of this package: homes, apps and waiting. */
export async function temporaryHome(purpose: string): Promise<Home> {
  return await openHome(await mkdtemp(join(tmpdir(), `pilot-${purpose}-`)))
}

export async function endHome(home: Home): Promise<void> {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
}

/** As `rm -rf` and the next `setup` do it: another home, with the same paths. Whatever runs in the old one runs on. */
export async function replaceHome(home: Home): Promise<Home> {
  await rm(home.dir, { recursive: true, maxRetries: 5 })
  const other = await openHome(home.dir)
  if (other.paths.run !== home.paths.run) throw new Error(`${home.dir} is too long for a test of homes that share a folder`)
  return other
}

/** Waits until the condition holds; fails with its text. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`)
    await sleep(10)
  }
}

export interface TestApp {
  readonly server: Server
  readonly port: number
  close(): Promise<void>
}

/** An app on a free port of this machine. */
export async function startApp(listener: RequestListener): Promise<TestApp> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** A route to one app, with anything changed. */
export function routeTo(name: string, ports: number | readonly number[], changes: Partial<Route> = {}): Route {
  const upstreams = [ports].flat().map((port) => ({ host: '127.0.0.1', port }))
  return { id: name, app: { project: 'acme', app: name, environment: 'production' }, hosts: [`${name}.acme.localhost`], weights: [{ deployment: 'd1', percent: 100, upstreams }], ...changes }
}
