import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { connectAsSuperuser, listServices, openCluster, reservedPorts, waitForPostgres, type Home } from '@pilot/host'
import Docker from 'dockerode'

/**
 * What a home has on this machine at a moment in which nothing happens: containers, networks, volumes, processes, listening sockets, reserved
 * ports, databases, roles, system users, files, temporary files. One line each, without what differs from one deployment or process
 * to the next; the same line twice is two things. Others share the machine: only what carries the marks of this home counts.
 */
export interface Place {
  readonly home: Home
  readonly platformId: string
  /** TMPDIR of all that this home starts. */
  readonly temporary: string
}

export async function inventoryOf(place: Place): Promise<readonly string[]> {
  const processes = processesOf(place.home)
  const parts = await Promise.all([dockerObjects(place), databases(place), files(place), ports(place), users(place)])
  return [...parts.flat(), ...processes.map(({ name }) => `process ${name}`), ...listeners(processes)].sort()
}

/** What is there and was not, with a plus, and what was there and is not, with a minus. Nothing: equal. */
export function changesBetween(before: readonly string[], after: readonly string[]): readonly string[] {
  const left = [...before]
  const extra = after.filter((line) => {
    const index = left.indexOf(line)
    if (index >= 0) left.splice(index, 1)
    return index < 0
  })
  return [...extra.map((line) => `+ ${line}`), ...left.map((line) => `- ${line}`)]
}

const general = (text: string): string => text.replaceAll(/deployment[/-][a-z0-9]{10,11}(?=[/-]|$)/g, 'deployment/*').replaceAll(/[0-9a-f]{12,}/g, '*')

async function dockerObjects({ platformId }: Place): Promise<readonly string[]> {
  const docker = new Docker()
  const filters = { label: [`pilot.platform=${platformId}`] }
  try {
    const [containers, networks, volumes] = await Promise.all([docker.listContainers({ all: true, filters }), docker.listNetworks({ filters }), docker.listVolumes({ filters })])
    const title = (labels: Readonly<Record<string, string>> | undefined) => `${labels?.['pilot.scope']} ${general(labels?.['pilot.key'] ?? '')}`
    return [
      ...containers.map(({ Labels, State }) => `container ${title(Labels)} ${State}`),
      ...networks.map(({ Labels }) => `network ${title(Labels as never)}`),
      ...(volumes.Volumes ?? []).map(({ Labels }) => `volume ${title(Labels)}`),
    ]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return []
    throw error
  }
}

interface Found {
  readonly pid: number
  readonly name: string
}

/** By what they carry in environment, arguments or folder; workers of PostgreSQL belong to their postmaster. */
export function processesOf(home: Home): readonly Found[] {
  const found = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid).flatMap((entry) => {
    const pid = Number(entry)
    try {
      const [environ, cmdline] = [proc(pid, 'environ'), proc(pid, 'cmdline')]
      const place = `${cmdline}\0${readlinkSync(`/proc/${pid}/cwd`)}`
      const mark = new RegExp(`PILOT_SERVICE=${home.id}/([^/]+)/`).exec(environ)?.[1]
      if (mark === undefined && !place.includes(home.dir) && !place.includes(home.id) && !environ.includes(`PILOT_HOME=${home.dir}`)) return []
      const parent = Number(/^PPid:\s+(\d+)/m.exec(proc(pid, 'status'))?.[1])
      return /^State:\s+[ZX]/m.test(proc(pid, 'status')) ? [] : [{ pid, parent, name: general(mark ?? nameOf(cmdline)), isPostgres: basename(readlinkSync(`/proc/${pid}/exe`)) === 'postgres' }]
    } catch {
      return []
    }
  })
  const postgres = new Set(found.filter(({ isPostgres }) => isPostgres).map(({ pid }) => pid))
  return found.filter(({ parent }) => !postgres.has(parent))
}

const proc = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8')
const nameOf = (cmdline: string): string => /([\w-]+\/[\w-]+)\.ts/.exec(cmdline)?.[1] ?? cmdline.replaceAll('\0', ' ').slice(0, 100)

/** Which of their sockets listen; ports differ from one home to the next. Those of the edge, which the supervisor may hold too, once. All are in one network. */
function listeners(processes: readonly Found[]): readonly string[] {
  const pid = processes[0]?.pid ?? 'self'
  const addresses = new Map(['tcp', 'tcp6'].flatMap((file) => readFileSync(`/proc/${pid}/net/${file}`, 'utf8').split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    return state === '0A' ? [[inode!, local!.split(':')[0]!] as const] : []
  })))
  return processes.filter(({ name }) => name !== 'supervisor/main').flatMap(({ pid, name }) => socketsOf(pid).flatMap((inode) => (addresses.has(inode) ? [`listens ${name} ${addressName(addresses.get(inode)!)}`] : [])))
}

/** Bridges of apps get what is free. */
const addressName = (hex: string): string => ({ '0100007F': '127.0.0.1', '00000000000000000000000001000000': '::1', '00000000': 'everywhere', [''.padEnd(32, '0')]: 'everywhere' })[hex] ?? 'a bridge'

function socketsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}

/** As the home itself knows them: those of apps differ from one release to the next. */
async function ports({ home }: Place): Promise<readonly string[]> {
  const services = new Set(listServices(home).map(({ name }) => name))
  return Object.keys(await reservedPorts(home)).map((name) => `port ${general(name)}${services.has(name) ? ' of a service' : ''}`)
}

async function databases({ home }: Place): Promise<readonly string[]> {
  const clusters = await Promise.all((['control', 'apps'] as const).map(async (name) => {
    const password = (await readFile(join(home.paths.keys, `postgres-${name}.password`), 'utf8').catch(() => '')).trim()
    if (password === '') return []
    const cluster = await openCluster(home, name)
    await waitForPostgres(home, { cluster, password })
    const client = await connectAsSuperuser(cluster, { password })
    try {
      const { rows } = await client.query<{ line: string }>(`select 'database ' || datname as line from pg_database where not datistemplate union all select 'role ' || rolname from pg_roles where rolname !~ '^pg_'`)
      return rows.map(({ line }) => `${name} ${line.replace(/_[0-9a-f]{8}(_[0-9a-f]{8})?/g, '_*')}`)
    } finally {
      await client.end()
    }
  }))
  return clusters.flat()
}

async function users({ platformId, home }: Place): Promise<readonly string[]> {
  const marks = [platformId, home.id]
  return (await readFile('/etc/passwd', 'utf8')).split('\n').filter((line) => marks.some((mark) => line.includes(mark))).map((line) => `user ${general(line.split(':')[0]!)}`)
}

/** What a home gathers as it lives, on purpose: records, states, logs, sources. How many of each is no matter of a crash. */
const gathered: readonly RegExp[] = [
  /^logs\/[\w.-]+\.log(\.1)?$/,
  /^logs\/operations\/\w+\.log$/,
  /^logs\/ended\//,
  /^sources\/sha256-[0-9a-f]{64}\.tar\.gz$/,
  /^platforms\/\w+\/store\/.*\/(lease|state)\/\d{8}\.json$/,
  /^platforms\/\w+\/store\/.*\/journal\/\d{8}-\d{4}\.jsonl$/,
  /^platforms\/\w+\/store\/.*\/records\/(approval|build|configuration|deployment|release)\/\w+\.json$/,
  /^platforms\/\w+\/secrets\/.*\/\d{8}\.box$/,
  /^backups\/\w+\/[\w-]+\.(sql\.gz|json)$/,
]

async function files({ home, temporary }: Place): Promise<readonly string[]> {
  const own = (await walk(home.dir)).filter((file) => !file.startsWith('postgres/'))
  const elsewhere = home.paths.reachable === home.dir ? [] : (await walk(home.paths.reachable)).filter((file) => !/^postgres\/\w+\/data\/|^postgres\/platforms\//.test(file))
  return [
    ...own.filter((file) => !gathered.some((pattern) => pattern.test(file))).map((file) => `file ${general(file).replace(/edge-\d+\.sock/, 'edge-*.sock')}`),
    ...elsewhere.map((file) => `file reachable/${general(file)}`),
    ...(await walk(temporary)).filter((file) => !file.startsWith('node-compile-cache/')).map((file) => `temporary ${file.replace(/^(pilot-ports-\d+)\/\d+$/, '$1')}`),
  ]
}

async function walk(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}
