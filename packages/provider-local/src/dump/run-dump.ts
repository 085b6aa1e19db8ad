import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { errorFromBody, PilotError, type ErrorBody } from '@pilot/core'
import type { Connection } from './pg-dump.ts'
import type { DumpFacts } from './write-dump.ts'

/** What the program is asked for; passwords are in it, so it goes through standard input. */
export type DumpTask =
  | { readonly type: 'dump'; readonly connection: Connection; readonly file: string }
  | { readonly type: 'restore'; readonly file: string; readonly connection: Connection; readonly superuser: Connection; readonly owner: string }

export type DumpAnswer = { readonly log: string } | { readonly done: Readonly<Record<string, unknown>> } | { readonly error: ErrorBody }

interface Peak {
  /** The most memory that the program had. */
  readonly peakBytes: number
}
interface Call {
  readonly signal: AbortSignal
  log(line: string): void
}

export const dumpDatabase = (call: Call & Omit<Extract<DumpTask, { type: 'dump' }>, 'type'>): Promise<DumpFacts & Peak> =>
  runProgram<DumpFacts & Peak>({ type: 'dump', connection: call.connection, file: call.file }, call)

export const restoreDatabase = (call: Call & Omit<Extract<DumpTask, { type: 'restore' }>, 'type'>): Promise<{ readonly missingRoles: readonly string[] } & Peak> =>
  runProgram({ type: 'restore', file: call.file, connection: call.connection, superuser: call.superuser, owner: call.owner }, call)

/** Returns when the program is gone, whatever happened; a cancelled one is killed. */
async function runProgram<T>(task: DumpTask, { signal, log }: Call): Promise<T> {
  signal.throwIfAborted()
  const fromSource = import.meta.url.endsWith('/src/dump/run-dump.ts')
  const main = fromSource ? fileURLToPath(new URL('./main.ts', import.meta.url)) : createRequire(import.meta.url).resolve('@pilot/provider-local/dump/main')
  const args = [...(fromSource ? ['--conditions=@pilot/source'] : []), '--disable-warning=ExperimentalWarning', '--max-old-space-size=256', main]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], MALLOC_ARENA_MAX: '1' } })
  const kill = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  const ended = new Promise<string>((resolve) => child.once('close', (code, by) => resolve(by ?? `exit code ${code}`)).once('error', (error) => resolve(error.message)))
  let answer: DumpAnswer | undefined
  const complaints: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line) > 20 && complaints.shift())
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as DumpAnswer
    if ('log' in message) log(message.log)
    else answer = message
  })
  child.stdin.on('error', () => {}).write(`${JSON.stringify(task)}\n`)
  try {
    const how = await ended
    if (signal.aborted) throw new PilotError('CANCELLED', `The ${task.type} was cancelled`)
    if (answer !== undefined && 'done' in answer) return answer.done as T
    if (answer !== undefined && 'error' in answer) throw errorFromBody(answer.error)
    throw new PilotError('RESOURCE_FAILED', `The ${task.type} of the database stopped: ${how}`, { details: { log: complaints } })
  } finally {
    signal.removeEventListener('abort', kill)
  }
}
