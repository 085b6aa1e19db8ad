import { join } from 'node:path'

/** Every path of a home, in one table. `run` may lie elsewhere (see {@link runFolder}), `reachable` too (see {@link reachableFolder}). */
export interface HomePaths {
  readonly dir: string
  /** Format, random id, where `run` and `reachable` are. */
  readonly homeFile: string
  /** Ports that were given out, by name. */
  readonly portsFile: string
  /** Sockets, locks and statuses: all of it may be deleted while nothing runs. */
  readonly run: string
  readonly serverSocket: string
  readonly edgeSocket: string
  readonly supervisorLock: string
  /** Actual state of services, one file each, written by the supervisor. */
  readonly serviceStatus: string
  /** Desired state of services, one file each, written by clients. */
  readonly services: string
  readonly logs: string
  readonly edge: string
  readonly routes: string
  readonly links: string
  /** Certificates with their keys that the edge answers with, one file per domain, 0600. */
  readonly certificates: string
  /** Answers to the questions by which a certificate authority finds out whose domain it is. */
  readonly challenges: string
  /** Keys of this home, 0600. */
  readonly keys: string
  readonly sources: string
  /** Where system users that Pilot made can reach: as root a folder under /var/lib/pilot, else the home itself. */
  readonly reachable: string
  /** Data of the PostgreSQL clusters, one folder each. */
  readonly postgres: string
}

export function pathsOf({ dir, run, reachable }: { readonly dir: string; readonly run: string; readonly reachable: string }): HomePaths {
  return {
    dir,
    homeFile: join(dir, 'home.json'),
    portsFile: join(dir, 'ports.json'),
    run,
    serverSocket: join(run, 'server.sock'),
    edgeSocket: join(run, 'edge.sock'),
    supervisorLock: join(run, 'supervisor.lock'),
    serviceStatus: join(run, 'services'),
    services: join(dir, 'services'),
    logs: join(dir, 'logs'),
    edge: join(dir, 'edge'),
    routes: join(dir, 'edge', 'routes'),
    links: join(dir, 'edge', 'links'),
    certificates: join(dir, 'edge', 'certificates'),
    challenges: join(dir, 'edge', 'challenges'),
    keys: join(dir, 'keys'),
    sources: join(dir, 'sources'),
    reachable,
    postgres: join(reachable, 'postgres'),
  }
}

/** A unix socket's path has 108 bytes on Linux and 104 on macOS, with its end mark; the longest name below `run` is counted in. */
const longestSocketPath = 103
const longestSocketName = '/postgres-control/.s.PGSQL.65535'

export function runFolder({ dir, id, tmp }: { readonly dir: string; readonly id: string; readonly tmp: string }): string {
  const usual = join(dir, 'run')
  return Buffer.byteLength(usual) + longestSocketName.length <= longestSocketPath ? usual : join(tmp, `pilot-${id.slice(0, 12)}`)
}

/**
 * As root, apps and PostgreSQL run as users of their own, which cannot pass through /root or a home of 0700. What they must
 * reach lies in a folder of root that others may pass through but not list.
 */
export function reachableFolder({ dir, id, uid }: { readonly dir: string; readonly id: string; readonly uid: number }): string {
  return uid === 0 ? join('/var/lib/pilot', id) : dir
}
