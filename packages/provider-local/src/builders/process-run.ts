import { copyFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { PilotError, type BuildCall } from '@pilot/core'
import { canReach, type Home } from '@pilot/host'
import type { ExecaError } from 'execa'
import { findProgram, nodeFolder } from '../process/programs.ts'
import { createBuildOutput } from './build-output.ts'
import type { Step } from './process-plan.ts'
import { makeFolder } from './trees.ts'
import type { BuildUser, Workplace } from './workplace.ts'

/** What package managers read of the user's own configuration: registries and their logins. */
const configurationFiles = ['.npmrc', '.yarnrc', '.yarnrc.yml', '.config/pip/pip.conf', '.pip/pip.conf', '.config/go/env']

/** Puts the user's registries into the HOME of a build. */
export async function prepareBuildHome({ home }: Workplace): Promise<void> {
  for (const file of configurationFiles) {
    const from = join(homedir(), file)
    if (!(await stat(from).catch(() => undefined))) continue
    await makeFolder(dirname(join(home, file)), 0o700)
    await copyFile(from, join(home, file))
  }
}

/** What a step needs to know of the build, or of the hook, that it is of. */
type StepCall = Pick<BuildCall, 'args' | 'signal' | 'log'>

/** A cancel is felt at once; what a build leaves half done nobody looks at again. */
const killAfterMs = 1_000

/** One command of a build, in a process group of its own, so that a cancel lets all of it end in order. */
export async function runStep({ step, call, what, place, home }: { step: Step; call: StepCall; /** For people: `The build of shop/web`. */ what: string; place: Workplace; home: Home }): Promise<void> {
  call.signal.throwIfAborted()
  const shown = step.command.join(' ')
  call.log(`$ ${shown}`)
  const output = createBuildOutput(call.log)
  const env = await environment({ call, place, home })
  const [program, ...args] = step.command as [string, ...string[]]
  const file = program.includes('/') ? program : await findProgram(program, env['PATH'])
  if (!file) throw new PilotError('BUILD_FAILED', `${what} needs ${program}, which is not on this machine`, { reason: `The command was: ${shown}`, suggestion: `Install ${step.needs}.` })
  const { user } = place
  const [started = file, ...words] = [...(user ? await withoutNewRights() : []), file, ...args]
  const { execa } = await import('execa')
  const child = execa(started, words, {
    cwd: place.source,
    env,
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    detached: true,
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  })
  // What the command left running would hold its output open, and the build with it. The end of the build tells what cannot be ended.
  let ending: Promise<void> | undefined
  child.nodeChildProcess.once('exit', () => void (ending = place.end().catch(() => {})))
  child.all.setEncoding('utf8').on('data', (text: string) => output.write(text))
  let stopping: Promise<void> | undefined
  const stop = (): void => void (stopping = killGroup(child.pid))
  call.signal.addEventListener('abort', stop, { once: true })
  if (call.signal.aborted) stop()
  const result = await child.finally(() => call.signal.removeEventListener('abort', stop))
  // The command is gone; what it started may take a moment longer.
  await Promise.all([stopping, ending])
  output.end()
  call.signal.throwIfAborted()
  if (!result.failed) return
  const { exitCode, signal, shortMessage } = result as unknown as ExecaError
  const full = output.last.find((line) => /no space left on device/i.test(line))
  if (full !== undefined) throw new PilotError('DISK_FULL', `${what} found the disk full: ${shown}`, { reason: full.trim(), suggestion: `Free some space on the disk of ${place.source} (\`df -h\` shows it), then run the command again.`, details: { ...(exitCode === undefined ? {} : { exitCode }), log: output.last } })
  throw new PilotError('BUILD_FAILED', `${what} failed: ${shown}`, {
    reason: exitCode === undefined ? (signal ? `ended by ${signal}` : shortMessage) : `exit code ${exitCode}`,
    details: { ...(exitCode === undefined ? {} : { exitCode }), log: output.last },
  })
}

/** Nothing of Pilot's own environment but what finds programs, registries and proxies. */
async function environment({ call, place: { source, home: folder, tmp, cache, user, mark }, home }: { call: StepCall; place: Workplace; home: Home }): Promise<Record<string, string>> {
  const passed = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && /^(LANG|LC_\w+|TZ|(https?|no|all)_proxy|npm_config_(registry|cafile|proxy|https_proxy|noproxy|strict_ssl)|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|PIP_\w+|UV_\w+|GOPROXY|GONOSUMDB|GONOSUMCHECK|GOSUMDB|GOPRIVATE|GOTOOLCHAIN)$/i.test(entry[0]))
  const node = await nodeFolder(home, user)
  return {
    ...Object.fromEntries(passed),
    PATH: [join(source, 'node_modules/.bin'), join(source, '.venv/bin'), node, ...(await reachablePath(user))].join(delimiter),
    HOME: folder,
    TMPDIR: tmp,
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
    ...mark,
  }
}

/** The folders of our PATH that the build's user may enter. */
async function reachablePath(user: BuildUser | undefined): Promise<readonly string[]> {
  const folders = [...new Set([...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/') && !folder.includes('node_modules/.bin')), '/usr/local/bin', '/usr/bin', '/bin'])]
  if (!user) return folders
  const reachable = await Promise.all(folders.map(async (folder) => ({ folder, ok: await canReach(user, folder) })))
  return reachable.filter(({ ok }) => ok).map(({ folder }) => folder)
}

/** No program (`crontab`, `sudo`) gives the build a right that its user has not: else it could leave work behind that starts later. */
async function withoutNewRights(): Promise<readonly string[]> {
  const setpriv = await findProgram('setpriv', '/usr/bin:/bin')
  return setpriv ? [setpriv, '--no-new-privs'] : []
}

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
