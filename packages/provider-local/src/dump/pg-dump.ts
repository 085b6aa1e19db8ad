import { connect, type Socket } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { PilotError } from '@pilot/core'

/**
 * pg_dump itself, compiled to WebAssembly. It is synchronous, so it runs in a thread that blocks while this one speaks with the
 * server: what it writes goes to a unix socket, what it reads comes through shared memory. Used for the schema only, since it
 * holds all of its output in memory.
 */
export interface Connection {
  /** The folder of the unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The text that `pg_dump ARGS` writes. */
export async function pgDump({ connection, args }: { connection: Connection; args: readonly string[] }): Promise<string> {
  const shared = new SharedArrayBuffer(headBytes + dataBytes)
  const socket = connect(`${connection.host}/.s.PGSQL.${connection.port}`)
  const worker = new Worker(process.argv[1]!, { workerData: { shared, args: [...args, '-d', connectionText(connection)] } satisfies Task, env: {} })
  try {
    return await new Promise<string>((resolve, reject) => {
      const give = feeder(socket, shared)
      let isEnding = false
      socket.on('readable', give.look)
      socket.on('error', reject)
      // The thread waits for bytes that will not come.
      socket.on('close', () => !isEnding && reject(new PilotError('RESOURCE_FAILED', 'PostgreSQL ended the connection while the schema was read')))
      worker.on('error', reject)
      worker.on('message', (message: FromWorker) => {
        if ('write' in message) {
          isEnding = message.write[0] === terminate
          socket.write(message.write)
        } else if ('read' in message) give.want()
        else if ('text' in message) resolve(message.text)
        else reject(new PilotError('RESOURCE_FAILED', 'The schema could not be read', { reason: message.problem }))
      })
    })
  } finally {
    socket.destroy()
    await worker.terminate()
  }
}

interface Task {
  readonly shared: SharedArrayBuffer
  readonly args: readonly string[]
}
type FromWorker = { readonly write: Uint8Array } | { readonly read: true } | { readonly text: string } | { readonly problem: string }

const headBytes = 8
const dataBytes = 1 << 20
const [isFilled, filledBytes] = [0, 1]

/** Hands over what came from the server whenever the thread wants it. */
function feeder(socket: Socket, shared: SharedArrayBuffer): { look(): void; want(): void } {
  const head = new Int32Array(shared, 0, 2)
  const data = new Uint8Array(shared, headBytes)
  let isWanted = false
  const look = (): void => {
    if (!isWanted) return
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    isWanted = false
    const now = chunk.subarray(0, dataBytes)
    if (chunk.length > now.length) socket.unshift(chunk.subarray(now.length))
    data.set(now)
    head[filledBytes] = now.length
    Atomics.store(head, isFilled, 1)
    Atomics.notify(head, isFilled)
  }
  return {
    look,
    want() {
      isWanted = true
      look()
    },
  }
}

/** What the program does when it is loaded as the thread. */
export async function runPgDumpThread(): Promise<void> {
  if (isMainThread || parentPort === null) throw new Error('This is no thread.')
  const port = parentPort
  const { shared, args } = workerData as Task
  const head = new Int32Array(shared, 0, 2)
  const data = new Uint8Array(shared, headBytes)
  const send = (message: FromWorker): void => port.postMessage(message)

  const server = {
    query: async () => ({ rows: [{ search_path: '' }] }),
    exec: async () => {},
    /** Returns when the answer is whole: what reads it takes "no bytes" for the end of the connection. */
    execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData(bytes: Uint8Array): void }) {
      send({ write: bytes.slice() })
      if (bytes[0] === terminate) return
      const answer = new Answer()
      while (!answer.isWhole) {
        Atomics.store(head, isFilled, 0)
        send({ read: true })
        Atomics.wait(head, isFilled, 0)
        const chunk = data.slice(0, head[filledBytes])
        answer.add(chunk)
        onRawData(chunk)
      }
    },
  }
  try {
    const { pgDump: run } = await import('@electric-sql/pglite-tools/pg_dump')
    const file = await run({ pg: server as never, args: [...args] })
    send({ text: await file.text() })
  } catch (error) {
    send({ problem: problemOf((error as Error).message) })
  }
}

const terminate = 'X'.charCodeAt(0)

/** Follows the messages of the server to the one after which it waits for the client. */
class Answer {
  isWhole = false
  #rest = Buffer.alloc(0)

  add(chunk: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 5) {
      const length = 1 + this.#rest.readInt32BE(1)
      if (this.#rest.length < length) return
      const type = String.fromCharCode(this.#rest[0]!)
      // Ready for a query, or in the middle of a login (10, 11: SASL; 0 and 12 are followed by more).
      if (type === 'Z' || (type === 'R' && ![0, 12].includes(this.#rest.readInt32BE(5)))) this.isWhole = true
      this.#rest = this.#rest.subarray(length)
    }
  }
}

/** pg_dump's own words, without the remark that it does not find itself as a file. */
function problemOf(message: string): string {
  const text = message.replace(/^pg_dump failed with exit code \d+\. \nError message: /, '').replace(/invalid binary "[^"]*": No such file or directory/, '')
  return text.replace(/^.*?: error: /, '').slice(0, 1000)
}

const connectionText = ({ host, port, user, password, database }: Connection): string =>
  Object.entries({ host, port, user, password, dbname: database })
    .map(([key, value]) => `${key}='${String(value).replaceAll(/['\\]/g, String.raw`\$&`)}'`)
    .join(' ')
