import type { WebSocket } from 'ws'
import * as z from 'zod'
import { errorBody, PilotError, toPilotError, type OneOffInput, type TerminalSize } from '@pilot/core'
import { inputWindow, largestMessage, outputBytes, type CommandNote } from '../contract/command-session.ts'
import { acceptSocket, closeSocket, SocketAnswer } from './socket.ts'

/** How long a client may take to say what it wants. */
const openingMs = 10_000
/** So much output may wait for its reader until the command waits, too. */
const outputWindow = 1024 ** 2

const size = z.number().int().min(1).max(10_000)
const tty = z.object({ columns: size, rows: size })
const messageSchema = z.union([z.strictObject({ end: z.literal(true) }), z.strictObject({ resize: tty })])
const openingSchema = z.strictObject({
  command: z.array(z.string().max(100_000)).min(1).max(1000),
  input: z.boolean().optional(),
  tty: tty.extend({ term: z.string().regex(/^[\w.+-]{1,60}$/).optional() }).optional(),
})

type Streams = Pick<OneOffInput, 'command' | 'input' | 'tty' | 'output'>

/** A command that lives as long as its connection. */
export function commandSession({ work, onEnd }: { work(streams: Streams, signal: AbortSignal): Promise<{ readonly exitCode: number }>; /** However it ends. */ onEnd(): void }): SocketAnswer {
  return new SocketAnswer(async (wanted, closing) => {
    const left = new AbortController()
    let stopping = (): void => {}
    try {
      const socket = await acceptSocket(wanted).catch(() => undefined)
      if (socket === undefined) return
      socket.on('close', () => left.abort()).on('error', () => {})
      stopping = () => closeSocket(socket, 1001)
      closing.addEventListener('abort', stopping, { once: true })
      if (closing.aborted) return stopping()
      const result = await serve(socket, AbortSignal.any([left.signal, closing]), work)
      socket.send(JSON.stringify(result))
      closeSocket(socket, 1000)
    } finally {
      closing.removeEventListener('abort', stopping)
      onEnd()
    }
  })
}

async function serve(socket: WebSocket, signal: AbortSignal, work: Parameters<typeof commandSession>[0]['work']): Promise<object> {
  const inbox = createInbox(socket, signal)
  const note = (text: CommandNote): void => socket.send(JSON.stringify(text))
  try {
    const { command, input, tty } = await inbox.opening
    const streams: Streams = {
      command,
      ...(input ? { input: inbox.input((taken) => note({ taken })) } : {}),
      ...(tty ? { tty: { term: 'xterm', ...tty, onResize: inbox.onResize, unavailable: (reason) => note({ noTerminal: reason }) } } : {}),
      output: (stream, data) => sendOutput(socket, signal, Buffer.concat([Buffer.of(outputBytes[stream]), data])),
    }
    return await work(streams, AbortSignal.any([signal, inbox.broken]))
  } catch (error) {
    const problem = inbox.broken.aborted ? (inbox.broken.reason as unknown) : error
    return { error: errorBody(toPilotError(problem)) }
  }
}

/** Waits for the reader when much is on its way already; nobody waits for one who has left. */
function sendOutput(socket: WebSocket, signal: AbortSignal, message: Buffer): void | Promise<void> {
  if (signal.aborted) return
  if (socket.bufferedAmount < outputWindow) return socket.send(message)
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    socket.send(message, () => resolve())
  })
}

/** What the client sends. One that does not keep to the rules ends its command. */
function createInbox(socket: WebSocket, signal: AbortSignal) {
  const wrong = new AbortController()
  const { promise: opening, resolve: open, reject: neverOpened } = Promise.withResolvers<z.output<typeof openingSchema>>()
  opening.catch(() => {})
  const breakOff = (message: string, reason?: string): void => {
    const error = new PilotError('USAGE', message, reason === undefined ? {} : { reason })
    wrong.abort(error)
    neverOpened(error)
  }
  const timer = setTimeout(() => breakOff(`No command came within ${openingMs / 1000} s`), openingMs)
  const waiting: Buffer[] = []
  let waitingBytes = 0
  let isOpen = false
  let ended = false
  let wake = Promise.withResolvers<void>()
  let resized: (size: TerminalSize) => void = () => {}
  signal.addEventListener('abort', () => {
    clearTimeout(timer)
    neverOpened(signal.reason)
    wake.resolve()
  }, { once: true })

  const onText = (text: string): void => {
    const parsed = (isOpen ? messageSchema : openingSchema).safeParse(jsonOf(text))
    if (!parsed.success) return breakOff('There is a problem in a message of the client', parsed.error.issues[0]?.message)
    const message = parsed.data
    if ('command' in message) {
      clearTimeout(timer)
      isOpen = true
      open(message)
    } else if ('resize' in message) resized(message.resize)
    else ended = true
    wake.resolve()
  }
  const onBytes = (data: Buffer): void => {
    waiting.push(data)
    waitingBytes += data.byteLength
    if (!isOpen || ended || waitingBytes > inputWindow + largestMessage) breakOff('The client sends input that it may not send')
    wake.resolve()
  }
  socket.on('message', (data, isBinary) => {
    if (wrong.signal.aborted) return
    if (isBinary) onBytes(data as Buffer)
    else onText((data as Buffer).toString('utf8'))
  })

  return {
    opening,
    broken: wrong.signal,
    onResize: (listener: (size: TerminalSize) => void) => void (resized = listener),
    /** `taken` hears of each piece that was taken. */
    async *input(taken: (bytes: number) => void): AsyncGenerator<Buffer> {
      for (;;) {
        const next = waiting.shift()
        if (next !== undefined) {
          yield next
          waitingBytes -= next.byteLength
          taken(next.byteLength)
        } else if (signal.aborted || wrong.signal.aborted) throw signal.reason ?? wrong.signal.reason
        else if (ended) return
        else {
          await wake.promise
          wake = Promise.withResolvers<void>()
        }
      }
    },
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
