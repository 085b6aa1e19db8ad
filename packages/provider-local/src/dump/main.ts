import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { isMainThread } from 'node:worker_threads'
import { errorBody, PilotError, toPilotError } from '@pilot/core/errors'
import type { DumpAnswer, DumpTask } from './run-dump.ts'
import { runPgDumpThread } from './pg-dump.ts'
import { restoreDump } from './restore-dump.ts'
import { writeDump } from './write-dump.ts'

/**
 * Dumps or restores one database, in a process of its own: it can be killed at any moment, its memory goes with it, and the server,
 * which runs without V8's compilers, could not load pg_dump. Takes its task from standard input, since that holds passwords; when
 * standard input ends, who asked is gone, and so is this.
 */
if (isMainThread) await main()
else await runPgDumpThread()

async function main(): Promise<void> {
  try {
    const [line] = (await once(createInterface({ input: process.stdin }), 'line')) as [string]
    process.stdin.once('end', () => process.exit(1))
    const task = JSON.parse(line) as DumpTask
    const log = (line: string): void => answer({ log: line })
    const done = task.type === 'dump' ? await writeDump({ ...task, log }) : await restoreDump({ ...task, log })
    answer({ done: { ...done, peakBytes: process.resourceUsage().maxRSS * 1024 } })
  } catch (error) {
    const failure = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new PilotError('DISK_FULL', 'The disk is full', { cause: error }) : toPilotError(error)
    answer({ error: errorBody(failure) })
    process.exitCode = 1
  } finally {
    process.stdin.destroy()
  }
}

function answer(message: DumpAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
