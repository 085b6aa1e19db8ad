import { main } from './main.ts'
import { processTerminal } from './terminal.ts'

/** Runs one command in this process and ends it with the right exit code. */
export async function runProcess(argv: readonly string[]): Promise<void> {
  // The reader of a pipe may leave first (`| head`); that is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(0)
      throw error
    })
  }
  const code = await main(argv, processTerminal())
  await flushed()
  process.exit(code)
}

/** Pipes are written asynchronously on some systems: without this, the end of a long document would be lost. */
async function flushed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => (stream.writableLength === 0 ? resolve() : stream.write('', () => resolve())))))
}
