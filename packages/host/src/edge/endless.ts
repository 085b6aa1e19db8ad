import type { Socket } from 'node:net'

/**
 * Ends connections on which an app sends what is no answer: a first line or a chunk extension without end passes every limit of the
 * parser, keeps this process busy and never becomes a byte for anybody.
 */
export interface Traffic {
  /** Bytes of bodies that were passed on, and a head's worth for each answer, since the last look. */
  passedOn: number
  readonly sockets: Map<Socket, number>
}

export const headsWorth = 8 * 1024
const lookMs = 500
/** Read in that time. Chunks of one byte are six bytes for one. */
const mostUnused = 4 * 1024 * 1024
const mostPerByte = 8

const watched = new Set<Traffic>()
let looking: NodeJS.Timeout | undefined

export function watchSocket(traffic: Traffic, socket: Socket): void {
  traffic.sockets.set(socket, socket.bytesRead)
  watched.add(traffic)
  looking ??= setInterval(look, lookMs).unref()
  socket.once('close', () => {
    traffic.sockets.delete(socket)
    if (traffic.sockets.size === 0) watched.delete(traffic)
    if (watched.size > 0) return
    clearInterval(looking)
    looking = undefined
  })
}

function look(): void {
  for (const traffic of watched) {
    let read = 0
    const busy: Socket[] = []
    for (const [socket, before] of traffic.sockets) {
      const now = socket.bytesRead
      read += now - before
      if (now - before > mostUnused / 8) busy.push(socket)
      traffic.sockets.set(socket, now)
    }
    if (read > mostUnused + mostPerByte * traffic.passedOn) for (const socket of busy) socket.destroy(Object.assign(new Error('the app sends what is no answer'), { code: 'PILOT_NO_ANSWER' }))
    traffic.passedOn = 0
  }
}
