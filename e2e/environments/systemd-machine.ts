import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { withFileLock } from '@pilot/host'
import { root } from '../driver/pilot.ts'

/**
 * A Debian machine with systemd, run by systemd-nspawn, with this repository in /opt/pilot and an ordinary user `ada`. It has a network of
 * its own with nothing but 127.0.0.1. It shares the kernel, and with it the cgroups that the kernel offers: processes are told apart by
 * unit everywhere, limits of memory only where this machine has cgroup v2.
 */
export interface SystemdMachine extends AsyncDisposable {
  /** As root, without a login; throws unless it ends with 0. Returns what it printed. */
  root(...words: readonly string[]): Promise<string>
  /** A line of shell in a login of ada's, which ends with it. */
  ada(line: string): Promise<string>
  /** Ends what runs, in order, and starts again; nobody logs in. */
  reboot(): Promise<void>
  losePower(): Promise<void>
}

/** Raised when the recipe below changes. */
const recipe = 1
const packages = ['systemd-sysv', 'dbus', 'dbus-user-session', 'libpam-systemd', 'libstdc++6', 'procps']
const node = `/opt/pilot/node_modules/node-linux-${process.arch}/bin/node`
const run = promisify(execFile)

/** Why there can be none here, or undefined. Only what is known without trying. */
export async function whyNoMachine(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a machine in systemd-nspawn takes Linux and root'
  for (const [program, name] of [['systemd-nspawn', 'systemd-container'], ['debootstrap', 'debootstrap'], ['nsenter', 'util-linux']] as const) {
    if (!(await run('sh', ['-c', `command -v ${program}`]).then(() => true, () => false))) return `${name} is not installed`
  }
  return existsSync(node.replace('/opt/pilot', root)) ? undefined : `there is no Node of the workspace for ${process.arch}`
}

export async function openMachine(): Promise<SystemdMachine> {
  const files = await ensureRootFiles()
  const folder = await mkdtemp(join(tmpdir(), 'pilot-machine-'))
  const [disk, changes, console_] = [join(folder, 'root'), join(folder, 'changes'), join(folder, 'console.log')]
  await run('cp', ['-a', '--reflink=auto', files, disk])
  await mkdir(changes)
  await chmod(changes, 0o755)
  let nspawn: ChildProcess | undefined
  let leader: number

  async function start(): Promise<void> {
    const log = await open(console_, 'a')
    const args = ['-q', '-b', '-D', disk, '-M', 'pilot-test', '--register=no', '--keep-unit', '--link-journal=no', '--private-network', '--console=pipe', `--overlay=${root}:${changes}:/opt/pilot`]
    nspawn = spawn('systemd-nspawn', args, { stdio: ['ignore', log.fd, log.fd], detached: true, env: { PATH: process.env['PATH'], SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' } })
    await log.close()
    for (const end = Date.now() + 60_000; ; await sleep(100)) {
      if (hasEnded() || Date.now() > end) throw new Error(`The machine does not start:\n${(await readFile(console_, 'utf8')).slice(-3000)}`)
      const [child] = (await readFile(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8').catch(() => '')).trim().split(' ')
      if (!child) continue
      leader = Number(child)
      // `degraded`: a unit of Debian's that a container has no use for.
      if (/running|degraded/.test(await inside(['systemctl', 'is-system-running']).catch((error: { stdout?: string }) => error.stdout ?? ''))) return
    }
  }

  async function inside(words: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', ['-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', '--', '/usr/bin/env', '-i', 'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8', ...words], { maxBuffer: 16 << 20, timeout: 180_000 })
    return stdout
  }

  const hasEnded = (): boolean => nspawn === undefined || nspawn.exitCode !== null || nspawn.signalCode !== null
  const gone = async (): Promise<void> => {
    if (!hasEnded()) await new Promise((resolve) => nspawn?.once('exit', resolve))
  }

  async function losePower(): Promise<void> {
    process.kill(leader, 'SIGKILL')
    await gone()
  }

  try {
    await start()
  } catch (error) {
    nspawn?.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  return {
    root: (...words) => inside(words),
    ada: (line) => inside(['systemd-run', '--quiet', '--pipe', '--wait', '--collect', '-p', 'User=ada', '-p', 'PAMName=login', '-p', 'WorkingDirectory=/home/ada', 'bash', '-lc', line]),
    async reboot() {
      await inside(['systemctl', 'reboot'])
      await gone()
      await start()
    },
    async losePower() {
      await losePower()
      await start()
    },
    async [Symbol.asyncDispose]() {
      if (!hasEnded()) await losePower()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Made once and kept: a minute or two with a mirror of Debian at hand. */
async function ensureRootFiles(): Promise<string> {
  const cache = join(homedir(), '.cache/pilot-tests')
  const made = join(cache, `systemd-machine-${recipe}`)
  await mkdir(cache, { recursive: true })
  await withFileLock(`${made}.lock`, async () => {
    if (existsSync(made)) return
    const work = `${made}.new`
    await rm(work, { recursive: true, force: true })
    await run('debootstrap', ['--variant=minbase', `--include=${packages.join(',')}`, 'bookworm', work], { maxBuffer: 16 << 20 })
    await writeFile(join(work, 'etc/hostname'), 'pilot-test\n')
    await writeFile(join(work, 'etc/hosts'), '127.0.0.1 localhost pilot-test\n')
    await writeFile(join(work, 'etc/machine-id'), '')
    await mkdir(join(work, 'var/log/journal'), { recursive: true })
    await writeFile(join(work, 'usr/local/bin/pilot'), `#!/bin/sh\nexec ${node} --conditions=@pilot/source --disable-warning=ExperimentalWarning /opt/pilot/packages/tui/src/bin/pilot.ts "$@"\n`, { mode: 0o755 })
    await cp(node.replace('/opt/pilot', root), join(work, 'usr/local/bin/node'))
    await run('chroot', [work, 'useradd', '-m', '-s', '/bin/bash', 'ada'])
    for (const left of ['var/cache/apt', 'var/lib/apt/lists']) await rm(join(work, left), { recursive: true, force: true })
    await rename(work, made)
  }, { timeoutMs: 280_000 })
  return made
}
