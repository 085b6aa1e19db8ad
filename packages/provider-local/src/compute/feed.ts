import type { Writable } from 'node:stream'

/**
 * Gives a command its input, no faster than it is taken, and its end. Resolves, too, when the command takes no more. Throws what
 * the input throws.
 */
export async function feed(input: AsyncIterable<Uint8Array>, to: Writable): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    for (const event of ['close', 'error']) to.once(event, () => resolve())
  })
  for await (const chunk of input) {
    if (!to.writable) return
    if (!to.write(chunk)) await Promise.race([closed, new Promise<void>((resolve) => to.once('drain', resolve))])
  }
  to.end()
}
