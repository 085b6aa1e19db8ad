/** Docker sends both outputs of a container without terminal in one stream: 1 byte stream, 3 bytes nothing, 4 bytes length, then the text. */
export interface Frame {
  readonly stream: 'stdout' | 'stderr'
  readonly text: Buffer
}

const headerLength = 8

/** Splits chunks as they come into whole frames; what is incomplete waits for the next chunk. */
export function createDemultiplexer(): (chunk: Buffer) => readonly Frame[] {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const frames: Frame[] = []
    while (rest.length >= headerLength && rest.length >= headerLength + rest.readUInt32BE(4)) {
      const end = headerLength + rest.readUInt32BE(4)
      frames.push({ stream: rest[0] === 2 ? 'stderr' : 'stdout', text: rest.subarray(headerLength, end) })
      rest = rest.subarray(end)
    }
    return frames
  }
}

/** The lines of a whole log that was read at once. */
export function linesOf(log: Buffer): readonly string[] {
  const text = createDemultiplexer()(log).map((frame) => frame.text.toString('utf8')).join('')
  return text.split('\n').map((line) => line.replace(/\r$/, '')).filter((line) => line !== '')
}
