import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packSource, type AppDefinition } from '@pilot/core'
import { definition, startFakeCloud, type FakeCloud } from '@pilot/core/testing'
import { openHome, removeHome, type Home } from '@pilot/host'
import { createClient, type Client } from '../client/index.ts'
import type { Operation, OperationRequest } from '../contract/operations.ts'
import type { StreamEvent } from '../contract/events.ts'
import { silentLog } from '../log.ts'
import { startServer, type PilotServer, type ServerOptions } from '../server.ts'
import { testDatabase, type TestDatabase } from './database.ts'
import fakeProvider from './fake-provider.ts'

export { definition }

export interface TestServer extends AsyncDisposable {
  readonly home: Home
  readonly client: Client
  readonly cloud: FakeCloud
  readonly database: TestDatabase
  server(): PilotServer
  /** Stops it, and starts another one on the same home and database. */
  restart(options?: Partial<ServerOptions>): Promise<void>
  /** Starts an operation and waits for its end. */
  run(request: OperationRequest): Promise<Operation>
  /** Makes a platform `fake` on the fake cloud. */
  setup(): Promise<void>
}

/** A server in this process on a home of its own, with the fake cloud as its provider. */
export async function testServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-test-')))
  const database = await testDatabase()
  const cloud = await startFakeCloud()
  await cloud.configure({ slowMs: 0, consistencyMs: 0 })
  const start = (more: Partial<ServerOptions> = {}): Promise<PilotServer> =>
    startServer({ home, database: database.address, log: silentLog, providers: [fakeProvider], runner: { heartbeatMs: 200, lookMs: 300, silentMs: 2000 }, ...options, ...more })
  let current = await start()
  const client = createClient({ socketPath: home.paths.serverSocket, by: 'ada@test' })

  const run = async (request: OperationRequest): Promise<Operation> => {
    const { operation } = await client.request('startOperation', { body: request })
    return finished(client, operation.id)
  }

  return {
    home,
    client,
    cloud,
    database,
    server: () => current,
    async restart(more) {
      await current.stop()
      current = await start(more)
    },
    run,
    async setup() {
      const { state, error } = await run({ action: 'setup', provider: 'fake', settings: { url: cloud.url } })
      if (state !== 'done') throw new Error(`setup ${state}: ${JSON.stringify(error)}`)
    },
    async [Symbol.asyncDispose]() {
      client.close()
      await current.stop()
      await cloud.stop()
      await database[Symbol.asyncDispose]()
      await removeHome(home)
    },
  }
}

export async function finished(client: Client, id: string): Promise<Operation> {
  for await (const _ of client.events(id));
  return client.request('operation', { params: { id } })
}

export async function eventsOf(client: Client, id: string): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  for await (const event of client.events(id)) events.push(event)
  return events
}

/** Packs a folder with the given files and sends it; returns what stands in the request. */
export async function sentSource(client: Client, files: Readonly<Record<string, string>> = { 'index.html': 'hello' }): Promise<{ readonly digest: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-test-source-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(dir, name, '..'), { recursive: true })
      await writeFile(join(dir, name), text)
    }
    const source = await packSource({ dir })
    if (!(await client.hasSource(source.digest))) await client.putSource(source.digest, source.openTarGz())
    return source.record
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** The request `up` for these apps, all from one source. */
export async function upRequest(client: Client, apps: readonly AppDefinition[], files?: Readonly<Record<string, string>>): Promise<Extract<OperationRequest, { action: 'up' }>> {
  const source = await sentSource(client, files)
  return { action: 'up', project: 'shop', environment: 'production', apps: apps.map((app) => ({ definition: app, source })) }
}
