import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PilotError } from '@pilot/core/errors'
import { hasErrno, makeSure } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { withFileLock } from '../home/lock.ts'
import { reservePort } from '../home/ports.ts'
import type { ServiceSpec } from '../supervisor/spec.ts'
import { postgresBinaries, type PostgresBinaries } from './binaries.ts'
import { postgresUser, type SystemUser } from './system-user.ts'

/** `control` holds Pilot's own data, `apps` the databases of apps: separate clusters, so that no app's login can ever reach Pilot. */
export type ClusterName = 'control' | 'apps'

export interface Cluster {
  readonly name: ClusterName
  readonly folder: string
  readonly data: string
  /** The socket is `<socketDir>/.s.PGSQL.<port>`; only the user of the cluster (and root) can enter. */
  readonly socketDir: string
  readonly host: '127.0.0.1'
  readonly port: number
  readonly superuser: 'pilot'
  readonly major: number
  readonly user: SystemUser | undefined
  readonly binaries: PostgresBinaries
}

/** Whether its data are there. Reserves no port, as opening it does. */
export const hasCluster = (home: Home, name: ClusterName): boolean => existsSync(join(home.paths.postgres, name, 'data'))

/** Deletes its data in one step, so that after a power cut there are either all of them or none. */
export async function removeClusterData({ folder, data, socketDir }: Cluster): Promise<void> {
  // The next one that is made sweeps what begins like this.
  const removed = await rename(data, join(folder, `init-removed-${randomBytes(4).toString('hex')}`)).then(() => true, ignoreAbsent)
  if (removed) makeSure(data)
  for (const path of [folder, socketDir]) await rm(path, { recursive: true, force: true })
}

function ignoreAbsent(error: unknown): false {
  if (hasErrno(error, 'ENOENT')) return false
  throw error
}

export async function openCluster(home: Home, name: ClusterName): Promise<Cluster> {
  const user = await postgresUser()
  const binaries = await postgresBinaries(home, user)
  const folder = join(home.paths.postgres, name)
  const port = await reservePort(home, `postgres-${name}`)
  const socketDir = join(user === undefined ? home.paths.run : join(home.paths.reachable, 'run'), `postgres-${name}`)
  return { name, folder, data: join(folder, 'data'), socketDir, host: '127.0.0.1', port, superuser: 'pilot', major: binaries.major, user, binaries }
}

/**
 * Makes the data of the cluster unless they are there: scram passwords only, UTF-8 with PostgreSQL's own C.UTF-8 (which no
 * upgrade of the machine's libraries can reorder), data checksums. May be called by many at once and after being killed in
 * the middle: it works in a folder of its own and renames it when it is whole. Returns whether it made them.
 */
export async function initCluster(home: Home, { cluster, password }: { cluster: Cluster; password: string }): Promise<boolean> {
  await passableFolder(home.paths.postgres, cluster.user)
  await ownFolder(cluster.folder, cluster.user)
  await passableFolder(join(cluster.socketDir, '..'), cluster.user)
  await ownFolder(cluster.socketDir, cluster.user)
  if (await isInitialised(cluster)) return false
  return await withFileLock(
    `${cluster.folder}.lock`,
    async () => {
      if (await isInitialised(cluster)) return false
      for (const left of await readdir(cluster.folder)) if (left.startsWith('init-')) await rm(join(cluster.folder, left), { recursive: true, force: true })
      const work = join(cluster.folder, `init-${randomBytes(4).toString('hex')}`)
      await ownFolder(work, cluster.user)
      await initdb({ cluster, work, password })
      await rename(join(work, 'data'), cluster.data)
      // PostgreSQL flushes what is in the folder, and the folder is ours.
      makeSure(cluster.data)
      await rm(work, { recursive: true, force: true })
      return true
    },
    { timeoutMs: 120_000 },
  )
}

/** How the supervisor runs it. Settings are small: many clusters are idle on a laptop most of the time. */
export function postgresServiceSpec(home: Home, cluster: Cluster): ServiceSpec {
  const settings: Readonly<Record<string, string>> = {
    listen_addresses: cluster.host,
    port: String(cluster.port),
    unix_socket_directories: cluster.socketDir,
    unix_socket_permissions: '0700',
    max_connections: cluster.name === 'control' ? '60' : '200',
    shared_buffers: '32MB',
    work_mem: '4MB',
    maintenance_work_mem: '32MB',
    effective_cache_size: '256MB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    min_wal_size: '32MB',
    max_wal_size: '512MB',
    huge_pages: 'off',
    max_worker_processes: '4',
    max_parallel_workers: '2',
    max_parallel_workers_per_gather: '1',
    autovacuum_max_workers: '2',
    jit: 'off',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %q%u@%d ',
    log_min_messages: 'warning',
    // Statements may carry data and passwords; the error itself is enough for a log.
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
  }
  return {
    name: postgresServiceName(cluster.name),
    command: cluster.binaries.postgres,
    args: ['-D', cluster.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: cluster.folder,
    env: { LC_ALL: 'C', HOME: cluster.folder },
    logFile: join(home.paths.logs, `${postgresServiceName(cluster.name)}.log`),
    // Fast shutdown: ends sessions, keeps all data.
    stopSignal: 'SIGINT',
    stopTimeoutMs: 60_000,
    order: 10,
    ...(cluster.user === undefined ? {} : { user: { uid: cluster.user.uid, gid: cluster.user.gid } }),
  }
}

export const postgresServiceName = (name: ClusterName): string => `postgres-${name}`

async function isInitialised({ data, major }: Cluster): Promise<boolean> {
  const found = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (found === undefined) return false
  if (Number.parseInt(found, 10) !== major) {
    throw new PilotError('HOME_UNUSABLE', `The data in ${data} belong to PostgreSQL ${found.trim()}, and this Pilot brings PostgreSQL ${major}.`, { suggestion: 'Use the Pilot that made them to take a backup, and restore it here.' })
  }
  return true
}

async function initdb({ cluster, work, password }: { cluster: Cluster; work: string; password: string }): Promise<void> {
  const data = join(work, 'data')
  const passwordFile = join(work, 'password')
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
  if (cluster.user !== undefined) await chown(passwordFile, cluster.user.uid, cluster.user.gid)
  const args = ['-D', data, `--username=${cluster.superuser}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--data-checksums', '--no-instructions']
  try {
    await promisify(execFile)(cluster.binaries.initdb, args, { cwd: work, env: { LC_ALL: 'C', PATH: process.env['PATH'] }, ...(cluster.user === undefined ? {} : { uid: cluster.user.uid, gid: cluster.user.gid }) })
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new PilotError('RESOURCE_FAILED', `PostgreSQL could not initialise ${cluster.data}.`, { reason: stderr.trim().split('\n').at(-1) || message, details: { log: stderr.trim().split('\n').slice(-20) } })
  } finally {
    await rm(passwordFile, { force: true })
  }
  // Whoever connects has a password: no replication, no other address.
  const rules = ['local all all scram-sha-256', 'host all all 127.0.0.1/32 scram-sha-256', '']
  await writeFile(join(data, 'pg_hba.conf'), rules.join('\n'), { flush: true })
}

/** A folder that the user of the cluster can pass through but not list, whatever the umask of this process is. */
async function passableFolder(folder: string, user: SystemUser | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (user !== undefined) await chmod(folder, 0o711)
}

/** A folder of 0700 that belongs to the user; refuses what is not a folder of ours. */
async function ownFolder(folder: string, user: SystemUser | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (!(await lstat(folder)).isDirectory()) throw new PilotError('HOME_UNUSABLE', `${folder} is not a folder.`)
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o700)
}
