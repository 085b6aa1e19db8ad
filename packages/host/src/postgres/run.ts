import type { Client } from 'pg'
import type { Home } from '../home/home.ts'
import { PilotError } from '@pilot/core/errors'
import { putService, removeService, tailOf, waitForService } from '../supervisor/client.ts'
import { initCluster, openCluster, postgresServiceName, postgresServiceSpec, type Cluster, type ClusterName } from './cluster.ts'

/**
 * Initialises and starts the cluster unless it runs, and waits until it answers. `password` is the superuser's: it must be
 * stored before the first call, since a cluster whose password is lost cannot be opened again.
 */
export async function ensurePostgres(home: Home, { name, password, timeoutMs = 60_000 }: { name: ClusterName; password: string; timeoutMs?: number }): Promise<Cluster> {
  const cluster = await openCluster(home, name)
  await initCluster(home, { cluster, password })
  const spec = postgresServiceSpec(home, cluster)
  const revision = await putService(home, spec)
  await waitForService(home, spec.name, { revision, timeoutMs, maxRestarts: 10, ready: async () => (await tryConnect(cluster, password)) === undefined })
  return cluster
}

/** Waits until the cluster answers a login; throws TIMED_OUT with its last log lines. */
export async function waitForPostgres(home: Home, { cluster, password, timeoutMs = 30_000 }: { cluster: Cluster; password: string; timeoutMs?: number }): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const problem = await tryConnect(cluster, password)
    if (problem === undefined) return
    if (performance.now() > deadline) throw new PilotError('TIMED_OUT', `PostgreSQL ${cluster.name} did not answer within ${timeoutMs} ms.`, { reason: problem.message, details: { log: tailOf(postgresServiceSpec(home, cluster).logFile) } })
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Fast shutdown; data stay. Returns when it is gone; absent is success; throws TIMED_OUT, and may then be called again. */
export async function stopPostgres(home: Home, name: ClusterName, { timeoutMs = 90_000 }: { timeoutMs?: number } = {}): Promise<void> {
  await removeService(home, postgresServiceName(name), { timeoutMs })
}

/** A connection as superuser, over the unix socket. The caller ends it. */
export async function connectAsSuperuser(cluster: Cluster, { password, database = 'postgres' }: { password: string; database?: string }): Promise<Client> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ host: cluster.socketDir, port: cluster.port, user: cluster.superuser, password, database, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Undefined when it answers; a wrong password is an answer that waiting does not change. */
async function tryConnect(cluster: Cluster, password: string): Promise<Error | undefined> {
  try {
    const client = await connectAsSuperuser(cluster, { password })
    await client.end()
    return undefined
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') throw new PilotError('ACCESS_DENIED', `PostgreSQL ${cluster.name} refuses the password of its superuser.`, { suggestion: `The data in ${cluster.data} were made with another password: restore the secrets of this home.`, cause: error })
    return error as Error
  }
}
