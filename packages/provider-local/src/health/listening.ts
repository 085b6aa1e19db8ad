import { readdir, readFile, readlink } from 'node:fs/promises'

/** A TCP socket on which a program waits for connections. */
export interface Listener {
  readonly port: number
  /** Whether it accepts connections from its own machine (or container) only. */
  readonly loopbackOnly: boolean
}

const listenState = '0A'

/**
 * The listening sockets in the text of `/proc/net/tcp` and `tcp6`, by port. `inodes` limits them to sockets of certain processes.
 * Docker's name server, which listens on 127.0.0.11 inside every container, is left out.
 */
export function parseListeners(text: string, inodes?: ReadonlySet<string>): readonly Listener[] {
  const ports = new Map<number, boolean>()
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/)
    const [, local, , state] = fields
    if (!local || state !== listenState || (inodes && !inodes.has(fields[9] ?? ''))) continue
    const [address = '', port = ''] = local.split(':')
    if (address === '0B00007F') continue
    const number = Number.parseInt(port, 16)
    ports.set(number, (ports.get(number) ?? true) && isLoopback(address))
  }
  return [...ports].map(([port, loopbackOnly]) => ({ port, loopbackOnly })).sort((a, b) => a.port - b.port)
}

/** The listeners in the network namespace of a process; undefined where /proc does not tell. */
export async function listenersOfNamespace(pid: number): Promise<readonly Listener[] | undefined> {
  const text = await readTables(pid)
  return text === undefined ? undefined : parseListeners(text)
}

/** The listeners that a process and its descendants hold themselves; undefined where /proc does not tell (not Linux). */
export async function listenersOfTree(pid: number): Promise<readonly Listener[] | undefined> {
  const text = await readTables(pid)
  if (text === undefined) return undefined
  const pids = await descendants(pid)
  const inodes = new Set((await Promise.all(pids.map(socketInodes))).flat())
  return parseListeners(text, inodes)
}

async function readTables(pid: number): Promise<string | undefined> {
  try {
    return `${await readFile(`/proc/${pid}/net/tcp`, 'utf8')}\n${await readFile(`/proc/${pid}/net/tcp6`, 'utf8').catch(() => '')}`
  } catch {
    return undefined
  }
}

/** The process and all that it started, as /proc tells; itself alone elsewhere. */
export async function descendants(root: number): Promise<readonly number[]> {
  const parents = new Map<number, number>()
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
    if (parent) parents.set(Number(entry), Number(parent))
  }
  const found = new Set([root])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

async function socketInodes(pid: number): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`
  const targets = await Promise.all((await readdir(folder).catch(() => [])).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')))
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [])
}

/** 127.x.x.x, ::1 and ::ffff:127.x.x.x in the kernel's notation: words of four bytes, each in the machine's own (little-endian) order. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F')
  return address === '00000000000000000000000001000000' || (address.startsWith('0000000000000000FFFF0000') && address.endsWith('7F'))
}
