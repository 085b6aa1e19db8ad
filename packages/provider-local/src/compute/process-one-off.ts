import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Duplex, Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError, type Compute, type ExecCall, type RunCall } from '@pilot/core'
import { endAll, processesMarked, type Home } from '@pilot/host'
import { programEnv, userOf, withoutOurs, type ProgramInputs } from '../kinds/service-parts.ts'
import type { StoredService } from '../kinds/process.ts'
import { startTerminal } from '../terminal/run-terminal.ts'
import { feed } from './feed.ts'
import { processesOf } from './process-status.ts'

/** In the environment of a one-off command and of all that it starts. */
const mark = 'PILOT_ONE_OFF'
/** After SIGTERM: whoever cancelled waits for it. */
const graceMs = 1_000
const quietMs = 1_000

/**
 * Stands between us and the command, in one process group with it: when our end of its fourth stream closes, since this program was
 * killed, it ends the group; the exit code comes there. The command reads from a pipe of the shell's, since what Node calls a pipe is a
 * socket, which nobody can open again as /dev/stdin; who fills it may wait for input still when the command has ended.
 */
const guardian = `cat 3<&- 2>/dev/null | {
exec 4<&0 </dev/null
"$@" <&4 3<&- 4<&- &
child=$!
exec 4<&-
{ read -r _ <&3; trap '' TERM; kill -TERM 0; sleep 1; kill -KILL 0; } >/dev/null 2>&1 &
watch=$!
wait "$child"
code=$?
kill -KILL "$watch"
echo "$code" >&3
exit "$code"
}`

/** A process of this machine as the user of the app, in the folder of its artifact. */
export const processRun =
  (home: Home): NonNullable<Compute['run']> =>
  (call) =>
    runProgram(home, call)

/** An instance is a folder, a user and an environment: a command "inside" it has these and its PORT. */
export const processExec =
  (home: Home, platformId: string): NonNullable<Compute['exec']> =>
  async (call: ExecCall) => {
    const found = (await processesOf({ home, platformId }, call.app)).find(({ name }) => name === call.instance) as StoredService | undefined
    if (!found) throw new PilotError('NOT_FOUND', `${call.app.project}/${call.app.app} has no instance ${call.instance}`)
    return runProgram(home, call, found.port === undefined ? {} : { PORT: String(found.port) })
  }

async function runProgram(home: Home, call: RunCall, more: Readonly<Record<string, string>> = {}): Promise<{ exitCode: number }> {
  const { artifact, env, appOutputs, output, input, signal } = call
  signal.throwIfAborted()
  const account = appOutputs as ProgramInputs['account']
  const id = randomBytes(8).toString('hex')
  const { child, outputs, toldCode } = await startProgram({ ...call, id, account, env: { ...inherited(), ...(await programEnv(home, { folder: artifact.location, account })), ...withoutOurs(env), ...more, [mark]: id } })
  const stdin = child.stdin as Writable
  stdin.on('error', () => {})
  const stop = new AbortController()
  let broken: { readonly error: unknown } | undefined
  if (input === undefined) stdin.end()
  else {
    feed(input, stdin).catch((error: unknown) => {
      broken = { error }
      stop.abort()
    })
  }
  const told = outputs.map((stream) => tell(child[stream]!, (data) => output(stream, data)))
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, name) => resolve(code ?? signalExit(name)))
    if (toldCode) createInterface({ input: child.stdio[3] as Duplex }).once('line', (line) => resolve(Number(line)))
  })
  const over = AbortSignal.any([signal, stop.signal])
  const onAbort = (): void => void signalGroup(child.pid, 'SIGTERM')
  over.addEventListener('abort', onAbort, { once: true })
  if (over.aborted) onAbort()
  try {
    const exitCode = await exited
    await endRest({ pid: child.pid, id, graceMs: over.aborted ? graceMs : 0 })
    await Promise.all(told.map(({ toItsEnd }) => toItsEnd()))
    signal.throwIfAborted()
    if (broken) throw broken.error
    return { exitCode }
  } finally {
    over.removeEventListener('abort', onAbort)
    for (const stream of child.stdio) stream?.destroy()
  }
}

/** What it writes comes on `outputs`; when its fourth stream ends, so does it. `toldCode`: the exit code comes there, perhaps before it exits. */
async function startProgram({ id, account, artifact, command, env, tty }: Pick<RunCall, 'artifact' | 'command' | 'env' | 'tty'> & { readonly id: string; readonly account: ProgramInputs['account'] }): Promise<{ readonly child: ChildProcess; readonly outputs: readonly ('stdout' | 'stderr')[]; readonly toldCode?: true }> {
  const user = userOf(account)
  if (tty !== undefined) {
    const held = await startTerminal({ command, cwd: artifact.location, env, mark: `${mark}=${id}`, ...(user ? { user } : {}) }, tty)
    if (typeof held !== 'string') return { child: held, outputs: ['stdout'] }
    tty.unavailable(`This machine gives no terminal: ${held}`)
  }
  const child = spawn('/bin/sh', ['-c', guardian, 'pilot', '/usr/bin/env', ...command], { cwd: artifact.location, env, detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'], ...user })
  child.stdio[3]!.on('error', () => {})
  return { child, outputs: ['stdout', 'stderr'], toldCode: true }
}

/** Takes what comes, no faster than it is taken. Somebody who cannot be seen from here may keep the stream open: it counts as ended when nothing comes for a while. */
function tell(stream: Readable, take: (data: Buffer) => void | Promise<void>): { toItsEnd(): Promise<void> } {
  let quietSince: number | undefined = performance.now()
  const ended = (async () => {
    try {
      for await (const data of stream) {
        quietSince = undefined
        await take(data as Buffer)
        quietSince = performance.now()
      }
    } catch {
      // Cut off in the middle: the exit code tells how the command ended.
    }
  })()
  return {
    async toItsEnd() {
      const from = performance.now()
      const lookAgain = (): boolean => quietSince === undefined || performance.now() - Math.max(from, quietSince) < quietMs
      while ((await Promise.race([ended.then(() => 'ended'), sleep(100, 'later', { ref: false })])) === 'later' && lookAgain());
    },
  }
}

/** What the command left behind, also in sessions of its own. */
async function endRest({ pid, id, graceMs }: { pid: number | undefined; id: string; graceMs: number }): Promise<void> {
  const deadline = performance.now() + graceMs
  while (performance.now() < deadline && (groupExists(pid) || processesMarked(`${mark}=${id}`).length > 0)) await sleep(20)
  signalGroup(pid, 'SIGKILL')
  await endAll(() => processesMarked(`${mark}=${id}`))
}

const inherited = (): Record<string, string> => Object.fromEntries(['LANG', 'TZ'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))

function signalGroup(pid: number | undefined, name: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false
  try {
    return process.kill(-pid, name)
  } catch {
    return false
  }
}

const groupExists = (pid: number | undefined): boolean => signalGroup(pid, 0)

/** As shells count: 128 and the signal's number. */
const signalExit = (name: NodeJS.Signals | null): number => 128 + ({ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 } as Partial<Record<string, number>>)[name ?? '']! || 1
