import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError, type Compute, type ExecCall, type RunCall } from '@pilot/core'
import { endAll, processesMarked, type Home } from '@pilot/host'
import { programEnv, userOf, withoutOurs, type ProgramInputs } from '../kinds/service-parts.ts'
import type { StoredService } from '../kinds/process.ts'
import { processesOf } from './process-status.ts'

/** In the environment of a one-off command and of all that it starts. */
const mark = 'PILOT_ONE_OFF'
/** After SIGTERM. */
const graceMs = 5_000

/**
 * Stands between us and the command, in one process group with it: when our end of its input closes, since this program was
 * killed, it ends the group. The command itself gets an empty input.
 */
const guardian = `exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ read -r _ <&3; trap '' TERM; kill -TERM 0; sleep 5; kill -KILL 0; } >/dev/null 2>&1 &
watch=$!
wait "$child"
code=$?
kill -KILL "$watch"
exit "$code"`

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

async function runProgram(home: Home, { artifact, command, env, appOutputs, output, signal }: RunCall, more: Readonly<Record<string, string>> = {}): Promise<{ exitCode: number }> {
  signal.throwIfAborted()
  const account = appOutputs as ProgramInputs['account']
  const id = randomBytes(8).toString('hex')
  const child = spawn('/bin/sh', ['-c', guardian, 'pilot', '/usr/bin/env', ...command], {
    cwd: artifact.location,
    env: { ...inherited(), ...(await programEnv(home, { folder: artifact.location, account })), ...withoutOurs(env), ...more, [mark]: id },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...userOf(account),
  })
  child.stdin.on('error', () => {})
  child.stdout.on('data', (data: Buffer) => output('stdout', data))
  child.stderr.on('data', (data: Buffer) => output('stderr', data))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, name) => resolve(code ?? signalExit(name)))
  })
  const onAbort = (): void => void signalGroup(child.pid, 'SIGTERM')
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    const exitCode = await exited
    await endRest({ pid: child.pid, id, graceMs: signal.aborted ? graceMs : 0 })
    await Promise.race([closed, sleep(1_000, undefined, { ref: false })])
    signal.throwIfAborted()
    return { exitCode }
  } finally {
    signal.removeEventListener('abort', onAbort)
    child.stdin.destroy()
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
