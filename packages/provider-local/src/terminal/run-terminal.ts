import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CommandTerminal } from '@pilot/core'

/** A command, with all that its program needs; goes through a pipe, since environments hold secrets. */
export interface TerminalTask {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly term: string
  readonly columns: number
  readonly rows: number
  /** `NAME=value`: stands in the environment of the command and of all that it starts. */
  readonly mark: string
}

export type TerminalAnswer = { readonly ready: true } | { readonly unavailable: string }

/** The program that holds the terminal of a command: its standard streams are those of the terminal, its exit code is that of the command. Resolves to why there is no terminal, where that is so. */
export async function startTerminal(task: Omit<TerminalTask, 'term' | 'columns' | 'rows'>, tty: CommandTerminal): Promise<ChildProcess | string> {
  const fromSource = import.meta.url.endsWith('/src/terminal/run-terminal.ts')
  const main = fromSource ? fileURLToPath(new URL('./main.ts', import.meta.url)) : createRequire(import.meta.url).resolve('@pilot/provider-local/terminal/main')
  const args = [...(fromSource ? ['--conditions=@pilot/source'] : []), '--disable-warning=ExperimentalWarning', '--max-old-space-size=64', main]
  const child = spawn(process.execPath, args, { cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], MALLOC_ARENA_MAX: '1' } })
  const control = child.stdio[3] as Duplex
  control.on('error', () => {})
  const complaints: string[] = []
  createInterface({ input: child.stderr! }).on('line', (line) => complaints.push(line) > 20 && complaints.shift())
  const ended = new Promise<TerminalAnswer>((resolve) => {
    const tell = (why: string): void => resolve({ unavailable: complaints.find((line) => /Error/.test(line)) ?? why })
    child.once('error', (error) => tell(error.message)).once('close', (code, by) => tell(`The program that holds it ended with ${by ?? code}`))
  })
  const answered = new Promise<TerminalAnswer>((resolve) => createInterface({ input: control }).once('line', (line) => resolve(JSON.parse(line) as TerminalAnswer)))
  let size = { columns: tty.columns, rows: tty.rows }
  tty.onResize((changed) => {
    size = changed
    if (control.writable) control.write(`${JSON.stringify(size)}\n`)
  })
  control.write(`${JSON.stringify({ ...task, ...size, term: tty.term } satisfies TerminalTask)}\n`)
  const answer = await Promise.race([answered, ended])
  return 'ready' in answer ? child : answer.unavailable
}
