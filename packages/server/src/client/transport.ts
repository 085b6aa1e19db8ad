import type { AgentOptions, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { errorFromBody, PilotError } from '@pilot/core/errors'

// Imported by name, Node evaluates all exports of this module, its WebSocket and fetch among them: 20 ms before each command.
const { Agent, request } = process.getBuiltinModule('node:http')

export type TransportOptions = { readonly socketPath: string } | { readonly url: string; readonly token: string }

export interface Call {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Readable
  readonly signal?: AbortSignal
}

/** What a library needs that speaks to the server by itself. */
export interface Address {
  /** Where it is in words, for errors. */
  readonly place: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Instead of the host and port of the URL. */
  readonly socketPath?: string
}

export interface Transport {
  readonly address: Address
  /** Resolves when the headers are there. Throws SERVER_UNREACHABLE when there is no answer, and the body's own error when that breaks. */
  send(call: Call): Promise<IncomingMessage>
  close(): void
}

/** Node's own client: loads in a few milliseconds, speaks over a unix socket, and idle connections do not keep the program alive. */
export function openTransport(options: TransportOptions): Transport {
  // Without a name for TLS, which this is not, Node looks at the host with regular expressions that take milliseconds to compile.
  const agent = new Agent({ keepAlive: true, servername: '' } as AgentOptions)
  const address = 'socketPath' in options ? { socketPath: options.socketPath, host: 'pilot' } : addressOf(options.url)
  const authorization: Record<string, string> = 'token' in options ? { authorization: `Bearer ${options.token}` } : {}
  const place = 'socketPath' in options ? options.socketPath : options.url

  return {
    address: { place, headers: authorization, ...('socketPath' in options ? { url: 'ws://pilot', socketPath: options.socketPath } : { url: options.url.replace(/^http/, 'ws') }) },
    send: ({ method, path, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const unreachable = (error: unknown) => reject(signal?.aborted ? signal.reason : new PilotError('SERVER_UNREACHABLE', `The Pilot server at ${place} does not answer.`, { reason: reasonOf(error), cause: error }))
        const outgoing = request({ ...address, agent, method, path, headers: { ...headers, ...authorization } }, resolve)
        outgoing.on('error', unreachable)
        // Not by Node's own option: its error reaches a connection that nobody listens to, when the answer has just ended.
        const leave = () => void outgoing.destroy()
        signal?.addEventListener('abort', leave, { once: true })
        outgoing.once('close', () => signal?.removeEventListener('abort', leave))
        if (signal?.aborted) leave()
        if (body === undefined || typeof body === 'string') outgoing.end(body)
        else {
          // Its end breaks the request too, whose error would say that the server does not answer.
          if (body.errored) reject(body.errored)
          body.once('error', reject)
          pipeline(body, outgoing, () => {})
        }
      }),
    close: () => agent.destroy(),
  }
}

export async function textOf(response: IncomingMessage): Promise<string> {
  try {
    let text = ''
    response.setEncoding('utf8')
    for await (const chunk of response) text += chunk as string
    return text
  } catch (error) {
    throw new PilotError('SERVER_UNREACHABLE', 'The connection to the Pilot server broke in the middle of an answer.', { reason: reasonOf(error), cause: error })
  }
}

/** The answer's error, for streams: whatever is not 200 is read as one. */
export async function refusalOf(response: IncomingMessage): Promise<PilotError> {
  const text = await textOf(response)
  const body = bodyOf(text)
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body) return errorFromBody(body as never)
  return new PilotError('INTERNAL', `The server answered ${response.statusCode}.`, { reason: text.slice(0, 300) })
}

export function bodyOf(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function addressOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port || '80' }
}

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException)?.code ?? (error instanceof Error ? error.message : String(error))
