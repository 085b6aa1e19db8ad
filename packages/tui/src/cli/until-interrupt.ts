import type { CommandContext } from './context.ts'

/** The exit code of a command that Ctrl-C ended. */
const interruptedExit = 130

/**
 * For what goes on until Ctrl-C, which is then no error and needs no words: runs `work` with a signal that it fires. Resolves
 * to the exit code, 130 after a Ctrl-C as shells expect it.
 */
export async function untilInterrupt(context: CommandContext, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController()
  using _handler = context.onInterrupt(() => stop.abort())
  try {
    await work(stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  return stop.signal.aborted ? interruptedExit : 0
}
