import { chown, copyFile, mkdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { PilotError, type BuildCall } from '@pilot/core'
import { canReach, ensureSystemUser, type Home, type SystemUser } from '@pilot/host'
import { execa, type ExecaError } from 'execa'
import { findProgram, nodeFolder } from '../process/programs.ts'
import { createBuildOutput } from './build-output.ts'
import type { Step } from './process-plan.ts'

export type BuildUser = SystemUser

/**
 * As root on Linux, installation and build scripts run as a system user that owns nothing else: they are other people's code.
 * Undefined: they run as the user of the home.
 */
export async function findBuildUser(home: Home): Promise<BuildUser | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const user = await ensureSystemUser('pilot-build')
  const cache = cacheFolder(home)
  await mkdir(cache, { recursive: true, mode: 0o700 })
  await chown(cache, user.uid, user.gid)
  return user
}

/** What package managers read of the user's own configuration: registries and their logins. */
const configurationFiles = ['.npmrc', '.yarnrc', '.yarnrc.yml', '.config/pip/pip.conf', '.pip/pip.conf', '.config/go/env']

/** A HOME that lasts as long as the build, with the user's registries in it. */
export async function prepareBuildHome(work: string, user: BuildUser | undefined): Promise<void> {
  const folder = buildHome(work)
  const own = async (path: string): Promise<void> => {
    if (user) await chown(path, user.uid, user.gid)
  }
  for (const path of [folder, join(folder, '.config'), join(folder, '.config/pip'), join(folder, '.config/go'), join(folder, '.pip'), join(work, 'tmp')]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await own(path)
  }
  for (const file of configurationFiles) {
    const from = join(homedir(), file)
    if (!(await stat(from).catch(() => undefined))) continue
    await copyFile(from, join(folder, file))
    await own(join(folder, file))
  }
}

const killAfterMs = 5_000

/** One command of a build, in a process group of its own, so that a cancel ends all of it. */
export async function runStep({ step, call, title, work, user, home }: { step: Step; call: BuildCall; title: string; work: string; user: BuildUser | undefined; home: Home }): Promise<void> {
  call.signal.throwIfAborted()
  const shown = step.command.join(' ')
  call.log(`$ ${shown}`)
  const output = createBuildOutput(call.log)
  const env = await environment({ call, work, user, home })
  const [program, ...args] = step.command as [string, ...string[]]
  const file = program.includes('/') ? program : await findProgram(program, env['PATH'])
  if (!file) throw new PilotError('BUILD_FAILED', `The build of ${title} needs ${program}, which is not on this machine`, { reason: `The command was: ${shown}`, suggestion: `Install ${step.needs}.` })
  const child = execa(file, args, {
    cwd: join(work, 'source'),
    env,
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    detached: true,
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  })
  child.all.setEncoding('utf8').on('data', (text: string) => output.write(text))
  let stopping: Promise<void> | undefined
  const stop = (): void => void (stopping = killGroup(child.pid))
  call.signal.addEventListener('abort', stop, { once: true })
  const result = await child.finally(() => call.signal.removeEventListener('abort', stop))
  // The command is gone; what it started may take a moment longer.
  await stopping
  output.end()
  call.signal.throwIfAborted()
  if (!result.failed) return
  const { exitCode, signal, shortMessage } = result as unknown as ExecaError
  throw new PilotError('BUILD_FAILED', `The build of ${title} failed: ${shown}`, {
    reason: exitCode === undefined ? (signal ? `ended by ${signal}` : shortMessage) : `exit code ${exitCode}`,
    details: { ...(exitCode === undefined ? {} : { exitCode }), log: output.last },
  })
}

/** Nothing of Pilot's own environment but what finds programs, registries and proxies. */
async function environment({ call, work, user, home }: { call: BuildCall; work: string; user: BuildUser | undefined; home: Home }): Promise<Record<string, string>> {
  const passed = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && /^(LANG|LC_\w+|TZ|(https?|no|all)_proxy|npm_config_(registry|cafile|proxy|https_proxy|noproxy|strict_ssl)|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|PIP_\w+|UV_\w+|GOPROXY|GONOSUMDB|GONOSUMCHECK|GOSUMDB|GOPRIVATE|GOTOOLCHAIN)$/i.test(entry[0]))
  const node = await nodeFolder(home, user)
  const cache = cacheFolder(home)
  return {
    ...Object.fromEntries(passed),
    PATH: [join(work, 'source/node_modules/.bin'), join(work, 'source/.venv/bin'), node, ...(await reachablePath(user))].join(delimiter),
    HOME: buildHome(work),
    TMPDIR: join(work, 'tmp'),
    CI: 'true',
    npm_config_cache: join(cache, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_yes: 'true',
    YARN_CACHE_FOLDER: join(cache, 'yarn'),
    XDG_DATA_HOME: join(cache, 'data'),
    PIP_CACHE_DIR: join(cache, 'pip'),
    GOCACHE: join(cache, 'go-build'),
    GOMODCACHE: join(cache, 'go-mod'),
    GOPATH: join(cache, 'go'),
    // Else its folders cannot be deleted with the home.
    GOFLAGS: [process.env['GOFLAGS'], '-modcacherw'].filter(Boolean).join(' '),
    ...call.args,
  }
}

/** The folders of our PATH that the build's user may enter. */
async function reachablePath(user: BuildUser | undefined): Promise<readonly string[]> {
  const folders = [...new Set([...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/') && !folder.includes('node_modules/.bin')), '/usr/local/bin', '/usr/bin', '/bin'])]
  if (!user) return folders
  const reachable = await Promise.all(folders.map(async (folder) => ({ folder, ok: await canReach(user, folder) })))
  return reachable.filter(({ ok }) => ok).map(({ folder }) => folder)
}

const cacheFolder = (home: Home): string => join(home.paths.reachable, 'build-cache')
const buildHome = (work: string): string => join(work, 'home')

/** SIGTERM to everything the step started, then SIGKILL. */
async function killGroup(pid: number | undefined): Promise<void> {
  if (pid === undefined) return
  const send = (signal: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-pid, signal)
    } catch {
      return false
    }
  }
  send('SIGTERM')
  const deadline = performance.now() + killAfterMs
  while (send(0) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
  send('SIGKILL')
}
