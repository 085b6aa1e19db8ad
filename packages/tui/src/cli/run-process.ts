import { main } from './main.ts'
import { processTerminal } from './terminal.ts'

/** Runs one command in this process and ends it with the right exit code. */
export async function runProcess(argv: readonly string[]): Promise<void> {
  // The reader of a pipe may leave first (`| head`); that is no failure of ours, and no end of an operation.
  let outlivesReaders = false
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const isGone = error.code === 'EPIPE' || error.code === 'EIO' || error.code === 'ERR_STREAM_DESTROYED'
      if (!isGone) throw error
      if (!outlivesReaders) process.exit(0)
    })
  }
  const code = await main(argv, { ...processTerminal(), outliveReaders: () => void (outlivesReaders = true) })
  await flushed()
  process.exit(code)
}

/** Pipes are written asynchronously on some systems: without this, the end of a long document would be lost. */
async function flushed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => (stream.writableLength === 0 || stream.destroyed ? resolve() : stream.write('', () => resolve())))))
}
