import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPilotError, PilotError } from '@pilot/core'
import { connectAsSuperuser, hasCluster, openCluster, postgresServiceName, readOrCreate, serviceStatus, supervisorPid, type Cluster, type Home } from '@pilot/host'
import type { Client } from 'pg'

/** The major version of every database on this machine: the one of the packaged binaries. */
export const postgresMajor = 17

/**
 * The superuser's password of the apps' cluster. It belongs to the home, as the cluster does: the platforms of one home share
 * both, and it is made before the cluster is. 0600, and used over the cluster's unix socket only.
 */
export async function superuserPassword(home: Home): Promise<string> {
  return readOrCreate(join(home.paths.keys, 'postgres-apps.password'), () => randomBytes(24).toString('base64url')).toString('utf8')
}

/** Runs `work` as superuser of the apps' cluster. Errors of PostgreSQL come out as PilotErrors that name `doing`. */
export async function asSuperuser<T>(home: Home, { doing, database }: { doing: string; database?: string }, work: (client: Client, cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await openCluster(home, 'apps')
  let client: Client
  try {
    client = await connectWhileItRestarts(home, cluster, { password: await superuserPassword(home), ...(database ? { database } : {}) })
  } catch (error) {
    throw new PilotError('RESOURCE_FAILED', `${doing}: the PostgreSQL of the apps does not answer`, {
      reason: (error as Error).message,
      suggestion: 'Run `setup local` again, which starts it; its log is postgres-apps.log in the folder `logs` of the home.',
      cause: error,
    })
  }
  try {
    return await work(client, cluster)
  } catch (error) {
    throw postgresError(error, doing)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Killed, it is back in a second or two, and before a connection is there nothing has happened. Where nobody starts it again there is nothing to wait for. */
async function connectWhileItRestarts(home: Home, cluster: Cluster, options: { password: string; database?: string }): Promise<Client> {
  for (const deadline = performance.now() + 15_000; ; ) {
    try {
      return await connectAsSuperuser(cluster, options)
    } catch (error) {
      const comesBack = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', '57P01', '57P02', '57P03'].includes((error as { code?: string }).code ?? '') && isKeptRunning(home)
      if (!comesBack || performance.now() > deadline || (await supervisorPid(home)) === undefined) throw error
    }
    await sleep(50)
  }
}

const isKeptRunning = (home: Home): boolean => ['starting', 'waiting', 'running'].includes(serviceStatus(home, postgresServiceName('apps'))?.state ?? '')

/** The same, or `absent` where there is no cluster at all: before setup, and after the last platform went. */
export async function asSuperuserIfThere<T>(home: Home, options: { doing: string }, absent: T, work: (client: Client) => Promise<T>): Promise<T> {
  return hasCluster(home, 'apps') ? asSuperuser(home, options, work) : absent
}

/** SQLSTATE → what it means to the engine. */
function postgresError(error: unknown, doing: string): Error {
  if (isPilotError(error)) return error
  const { code, message } = error as Error & { code?: string }
  if (code === '2BP01' || code === '55006') return new PilotError('BLOCKED', `${doing}: something depends on it`, { reason: message, cause: error })
  if (code === '3D000' || code === '42704') return new PilotError('RESOURCE_FAILED', `${doing}: the database is not there`, { reason: message, suggestion: 'Deploy the app that the database belongs to first.', cause: error })
  if (code === '53100') return new PilotError('DISK_FULL', `${doing}: the disk is full`, { reason: message, cause: error })
  if (code === '42501') return new PilotError('ACCESS_DENIED', `${doing}: PostgreSQL refuses`, { reason: message, cause: error })
  return new PilotError('RESOURCE_FAILED', `${doing}: PostgreSQL refuses`, { reason: message, cause: error })
}
