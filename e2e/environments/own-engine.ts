import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import Docker from 'dockerode'

/**
 * A Docker engine of the test's own, which may be stopped, killed and started again while others use the machine's. It has a network of
 * its own with nothing else in it, since a second engine deletes `docker0` and the rules of the first; who wants to reach what it publishes has
 * to be `inside` that network.
 */
export interface OwnEngine extends AsyncDisposable {
  /** What makes a command run inside its network. */
  readonly inside: readonly string[]
  /** For DOCKER_HOST. */
  readonly host: string
  readonly docker: Docker
  start(): Promise<void>
  /** In order, as a restart of the service does: containers end. */
  stop(): Promise<void>
  /** As a power failure does: all of it at once, and the bridges of its networks with it. */
  losePower(): Promise<void>
}

const run = promisify(execFile)

/** Why there can be none here, or undefined. */
export async function whyNoOwnEngine(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a Docker engine of its own takes Linux and root'
  for (const program of ['dockerd', 'containerd', 'ip', 'unshare', 'nsenter']) if (!(await run('sh', ['-c', `command -v ${program}`]).then(() => true, () => false))) return `${program} is not installed`
  return undefined
}

export async function openEngine(): Promise<OwnEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'pilot-engine-'))
  const socket = join(folder, 'docker.sock')
  const docker = new Docker({ socketPath: socket })
  const network = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  const inside = ['nsenter', '-t', String(network.pid), '--net', '--']
  let daemon: ChildProcess | undefined

  async function start(): Promise<void> {
    const log = await open(join(folder, 'log'), 'a')
    const args = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid'), '-H', `unix://${socket}`, '--bridge=none', '--iptables=false', '--ip6tables=false']
    const started = spawn(inside[0]!, [...inside.slice(1), 'dockerd', ...args], { stdio: ['ignore', log.fd, log.fd], detached: true })
    daemon = started
    await log.close()
    for (const end = Date.now() + 60_000; !(await docker.ping().then(() => true, () => false)); await sleep(50)) {
      if (started.exitCode !== null || Date.now() > end) throw new Error(`The engine does not start:\n${(await readFile(join(folder, 'log'), 'utf8')).slice(-3000)}`)
    }
  }

  const ip = (...words: readonly string[]) => run(inside[0]!, [...inside.slice(1), 'ip', ...words])

  async function stop(): Promise<void> {
    if (daemon === undefined) return
    const ended = new Promise((resolve) => daemon!.once('exit', resolve))
    if (daemon.exitCode === null && daemon.signalCode === null) {
      daemon.kill('SIGTERM')
      await ended
    }
    daemon = undefined
  }

  async function losePower(): Promise<void> {
    const bridges = (await docker.listNetworks()).filter(({ Driver }) => Driver === 'bridge').map(({ Id }) => `br-${Id.slice(0, 12)}`)
    for (let found = treeOf(folder); found.length > 0; found = treeOf(folder)) {
      for (const pid of found) kill(pid)
      await sleep(20)
    }
    daemon = undefined
    // A boot finds none of it: neither the bridges, nor what was mounted, nor the pid of the last one.
    for (const name of bridges) await ip('link', 'delete', name).catch(() => {})
    await unmount(folder)
    for (const name of ['exec', 'pid', 'docker.sock']) await rm(join(folder, name), { recursive: true, force: true })
  }

  try {
    // Until `unshare` has done its work, it is still in the network of the machine.
    for (const ours = readlinkSync('/proc/self/ns/net'); readlinkSync(`/proc/${network.pid}/ns/net`) === ours; ) await sleep(10)
    await ip('link', 'set', 'lo', 'up')
    await start()
  } catch (error) {
    network.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  return {
    inside,
    host: `unix://${socket}`,
    docker,
    start,
    stop,
    losePower,
    async [Symbol.asyncDispose]() {
      await stop()
      network.kill('SIGKILL')
      await unmount(folder)
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Those that name the folder, and all that they started: shims outlive their daemon, containers have other words. */
function treeOf(folder: string): readonly number[] {
  const processes = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
    try {
      const status = readFileSync(`/proc/${entry}/status`, 'utf8')
      if (/^State:\s+[ZX]/m.test(status)) return []
      return [{ pid: Number(entry), parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]), isOurs: /^(dockerd|containerd|containerd-shim.*|runc)$/.test(programOf(entry)) && readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(folder) }]
    } catch {
      return []
    }
  })
  const tree = new Set(processes.filter(({ isOurs }) => isOurs).map(({ pid }) => pid))
  for (let size = -1; size !== tree.size; ) {
    size = tree.size
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid)
  }
  return [...tree]
}

const programOf = (pid: string): string => readlinkSync(`/proc/${pid}/exe`).split('/').at(-1)!.replace(' (deleted)', '')

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

async function unmount(folder: string): Promise<void> {
  if (!existsSync('/proc/mounts')) return
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '').filter((place) => place.startsWith(`${folder}/`))
  for (const place of mounts.toReversed()) await run('umount', ['-l', place]).catch(() => {})
}
