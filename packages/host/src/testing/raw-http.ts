import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** HTTP as bytes, for tests of what stands in the middle: a client that sends what it is told, and apps that read and answer by hand. */

/** Sends the bytes and collects what comes back until the other side closes. */
export function sendRaw(port: number, bytes: string, { waitMs = 1_500 }: { waitMs?: number } = {}): Promise<{ readonly text: string; readonly closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    const timer = setTimeout(() => (resolve({ text, closed: false }), socket.destroy()), waitMs)
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ text, closed: true })
    })
  })
}

export interface RawApp {
  readonly port: number
  /** Connections that it has been given so far. */
  readonly connections: () => number
  close(): Promise<void>
}

/** An app of bytes: `onConnection` gets every connection. */
export async function startRawApp(onConnection: (socket: Socket, nth: number) => void): Promise<RawApp> {
  const sockets = new Set<Socket>()
  let count = 0
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    onConnection(socket, ++count)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface HeardRequest {
  readonly line: string
  /** Names in lower case, in their order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** Reads requests off a connection by the letter of RFC 9112; what could be read otherwise is `MALFORMED`. */
export function hearRequests(socket: Socket, heard: (request: HeardRequest) => void): void {
  let bytes = ''
  socket.on('data', (chunk) => {
    bytes += chunk.toString('latin1')
    for (;;) {
      const next = firstRequest(bytes)
      if (next === undefined) return
      bytes = bytes.slice(next.length)
      heard(next.request)
    }
  })
}

const malformed = (bytes: string): { request: HeardRequest; length: number } => ({ request: { line: `MALFORMED ${JSON.stringify(bytes)}`, headers: [], body: '' }, length: bytes.length })

function firstRequest(bytes: string): { readonly request: HeardRequest; readonly length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [line = '', ...rows] = bytes.slice(0, end).split('\r\n')
  if (!/^[A-Z-]+ \/[\x21-\x7e]* HTTP\/1\.1$/.test(line)) return malformed(bytes)
  const headers: [string, string][] = []
  for (const row of rows) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+): ?([\t\x20-\x7e\x80-\xff]*)$/.exec(row) ?? []
    if (name === undefined) return malformed(bytes)
    headers.push([name.toLowerCase(), value ?? ''])
  }
  const all = (wanted: string): string[] => headers.filter(([name]) => name === wanted).map(([, value]) => value)
  const [length, coding] = [all('content-length'), all('transfer-encoding')]
  if (all('host').length !== 1 || length.length + coding.length > 1) return malformed(bytes)
  const start = end + 4
  if (coding.length === 1) {
    if (coding[0] !== 'chunked') return malformed(bytes)
    return readChunks(bytes, start, (body, to) => ({ request: { line, headers, body }, length: to }))
  }
  const size = Number(length[0] ?? 0)
  if (!/^\d*$/.test(length[0] ?? '')) return malformed(bytes)
  return bytes.length < start + size ? undefined : { request: { line, headers, body: bytes.slice(start, start + size) }, length: start + size }
}

function readChunks<T>(bytes: string, from: number, done: (body: string, to: number) => T): T | { request: HeardRequest; length: number } | undefined {
  let body = ''
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = bytes.slice(at, lineEnd)
    if (!/^[0-9a-f]+$/i.test(size)) return malformed(bytes)
    const to = lineEnd + 2 + parseInt(size, 16)
    if (bytes.length < to + 2) return undefined
    if (bytes.slice(to, to + 2) !== '\r\n') return malformed(bytes)
    body += bytes.slice(lineEnd + 2, to)
    at = to + 2
    if (/^0+$/.test(size)) return done(body, at)
  }
}
