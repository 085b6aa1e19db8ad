import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export const program = join(import.meta.dirname, '../bin/pilot.ts')
export const nodeArguments = ['--conditions=@pilot/source', '--disable-warning=ExperimentalWarning', program]

export interface Spawned {
  readonly child: ChildProcess
  readonly done: Promise<{ readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string }>
  stderr(): string
}

/** `pilot` from its sources, as a process of its own, without a terminal. */
export function spawnPilot(argv: readonly string[], env: Record<string, string> = {}): Spawned {
  const child = spawn(process.execPath, [...nodeArguments, ...argv], { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: 'C.UTF-8', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const texts = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', (chunk) => (texts[stream] += String(chunk)))
  return { child, stderr: () => texts.stderr, done: once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null, ...texts })) }
}
