import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Pilot } from '../driver/pilot.ts'

/** A command with `--json` that a test follows while it runs. */
export interface RunningCommand {
  readonly child: ChildProcess
  /** Resolves at the first event that reads like this (`resource container create done`); throws when it ends without it. */
  event(like: string): Promise<{ readonly operation: string }>
  readonly ended: Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly events: readonly CommandEvent[]
  readonly stderr: string
}

export interface CommandEvent {
  readonly type: string
  readonly operation: string
  readonly phase?: string
  readonly outcome?: string
  readonly key?: string
  readonly action?: string
  readonly status?: string
}

export function startCommand(pilot: Pilot, words: readonly string[]): RunningCommand {
  const child = pilot.start([...words, '--json'])
  const events: CommandEvent[] = []
  const waiting = new Set<() => void>()
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const lines = createInterface({ input: child.stdout! })
  lines.on('line', (line) => {
    // Killed, it leaves half a line.
    try {
      events.push(JSON.parse(line) as CommandEvent)
    } catch {
      return
    }
    for (const look of waiting) look()
  })
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, events, stderr })))

  return {
    child,
    ended,
    event: (like) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = events.find((event) => textOf(event) === like)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
        void ended.then(({ code }) => reject(new Error(`pilot ${words.join(' ')} ended with ${code} before "${like}"; there was\n${events.map(textOf).join('\n')}\n${stderr}`)))
      }),
  }
}

/** An event in the words that stay the same from one run to the next. */
export const textOf = ({ type, phase, outcome, key, action, status }: CommandEvent): string =>
  [type, phase, outcome, key?.replace(/^deployment\/[^/]+\//, ''), type === 'resource' ? action : undefined, status].filter((word) => word !== undefined).join(' ')
