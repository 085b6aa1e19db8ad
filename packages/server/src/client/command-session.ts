import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type { ErrorBody } from '@pilot/core'
import { errorFromBody, PilotError } from '@pilot/core/errors'
import { inputWindow, largestMessage, outputBytes, type CommandMessage, type CommandNote, type CommandOpening, type TtySize } from '../contract/command-session.ts'
import { refusalOf, type Address } from './transport.ts'

export interface CommandSession {
  readonly command: readonly string[]
  /** Absent: its input is empty. */
  readonly input?: AsyncIterable<Uint8Array>
  readonly tty?: TtySize & {
    readonly term?: string
    onResize(listener: (size: TtySize) => void): void
    /** There is none where the app runs: the command runs without one. */
    unavailable(reason: string): void
  }
  /** No more is read until it resolves. */
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void | Promise<void>
  readonly signal?: AbortSignal
}

type Message = CommandNote | { readonly exitCode: number } | { readonly error: ErrorBody }

/** Runs one command to its exit code. Throws what the server says, what the input throws, SERVER_UNREACHABLE when the connection breaks: the command has ended then, too. */
export async function runSession(address: Address, path: string, { command, input, tty, output, signal }: CommandSession): Promise<number> {
  signal?.throwIfAborted()
  const { socketPath } = address
  const socket = new WebSocket(address.url + path, { headers: address.headers, perMessageDeflate: false, maxPayload: 16 * 1024 ** 2, ...(socketPath === undefined ? {} : { createConnection: () => connect(socketPath) }) })
  const { promise: over, resolve, reject } = Promise.withResolvers<number>()
  over.catch(() => {})
  const send = (message: CommandOpening | CommandMessage): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }
  const leave = (): void => reject(signal!.reason)
  signal?.addEventListener('abort', leave, { once: true })
  let room = inputWindow
  let moreRoom = Promise.withResolvers<void>()

  const onMessage = (data: Buffer, isBinary: boolean): void | Promise<void> => {
    if (isBinary) return output(data[0] === outputBytes.stderr ? 'stderr' : 'stdout', data.subarray(1))
    const message = JSON.parse(data.toString('utf8')) as Message
    if ('exitCode' in message) return resolve(message.exitCode)
    if ('error' in message) return reject(errorFromBody(message.error))
    if ('noTerminal' in message) return tty?.unavailable(message.noTerminal)
    room += message.taken
    moreRoom.resolve()
    moreRoom = Promise.withResolvers<void>()
  }
  // One after the other; while one is being shown, no more is read.
  let shown: Promise<void> = Promise.resolve()
  socket.on('message', (data, isBinary) => {
    shown = shown.then(async () => {
      const showing = onMessage(data as Buffer, isBinary)
      if (showing === undefined) return
      socket.pause()
      await showing
      socket.resume()
    }).catch(reject)
  })
  socket.on('unexpected-response', (_request, response) => void refusalOf(response as IncomingMessage).then(reject, reject))
  socket.on('error', (error: NodeJS.ErrnoException) => void shown.then(() => reject(new PilotError('SERVER_UNREACHABLE', `The Pilot server at ${address.place} does not answer.`, { reason: error.code ?? error.message, cause: error }))))
  socket.on('close', (code) => void shown.then(() => reject(broke(code))))
  socket.on('open', () => {
    send({ command, ...(input ? { input: true } : {}), ...(tty ? { tty: { columns: tty.columns, rows: tty.rows, ...(tty.term === undefined ? {} : { term: tty.term }) } } : {}) })
    tty?.onResize((size) => send({ resize: { columns: size.columns, rows: size.rows } }))
    if (input) sendInput(input).catch(reject)
  })
  try {
    return await over
  } finally {
    signal?.removeEventListener('abort', leave)
    // A polite end would wait for a server that may not answer.
    socket.on('error', () => {}).terminate()
  }

  /** No more than the command takes. */
  async function sendInput(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.byteLength; at += largestMessage) {
        const piece = chunk.subarray(at, at + largestMessage)
        while (room < piece.byteLength) await moreRoom.promise
        if (socket.readyState !== WebSocket.OPEN) return
        room -= piece.byteLength
        socket.send(piece)
      }
    }
    send({ end: true })
  }
}

function broke(code: number): PilotError {
  const suggestion = 'The command was ended. Run it again.'
  return code === 1001 ? new PilotError('SERVER_UNREACHABLE', 'The Pilot server stopped while the command ran.', { suggestion }) : new PilotError('SERVER_UNREACHABLE', 'The connection to the Pilot server broke while the command ran.', { suggestion })
}
