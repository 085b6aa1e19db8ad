import { Server } from 'node:net'
import type { Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressKey, type HeldMessage, type ServiceMessage, type SocketAddress } from '../supervisor/held-sockets.ts'

/** One listener that the configuration wants: `purpose` changes when the server behind it must be another one. */
export interface WantedListener {
  readonly address: SocketAddress
  readonly purpose: string
  /** ::1 is there on most machines, not on all. */
  readonly optional?: boolean
  create(): Server
}

export interface Listeners {
  /** Opens what is missing and closes what is not wanted any more; connections that are open stay. */
  apply(wanted: readonly WantedListener[]): Promise<void>
  /** Address → why it is not listening. */
  problems(): ReadonlyMap<string, string>
  /** Stops accepting; resolves when every connection has ended. Idle ones may stay that long for one more request. */
  drain(call: { readonly idleMs: number }): Promise<void>
}

interface Active {
  readonly wanted: WantedListener
  readonly server: Server
}

export function createListeners(): Listeners {
  const active = new Map<string, Active>()
  const problems = new Map<string, string>()
  const closing = new Set<Promise<void>>()

  async function apply(wanted: readonly WantedListener[]): Promise<void> {
    const byKey = new Map(wanted.map((one) => [addressKey(one.address), one]))
    for (const [key, { wanted: old, server }] of active) {
      if (byKey.get(key)?.purpose === old.purpose) continue
      active.delete(key)
      close(server)
      if (!byKey.has(key)) release(old.address)
    }
    for (const key of problems.keys()) if (!byKey.has(key)) problems.delete(key)
    await Promise.all([...byKey].filter(([key]) => !active.has(key)).map(([key, one]) => open(key, one)))
  }

  async function open(key: string, wanted: WantedListener): Promise<void> {
    const server = wanted.create()
    try {
      await listen(server, wanted.address)
      active.set(key, { wanted, server })
      problems.delete(key)
    } catch (error) {
      if (wanted.optional !== true) problems.set(key, (error as NodeJS.ErrnoException).code ?? (error as Error).message)
    }
  }

  /**
   * An HTTP server's own `close` ends idle connections at once, also when the next request is on its way already. So only the
   * listener is closed; whoever comes once more gets `connection: close` with the answer, and the rest goes a little later.
   */
  function close(server: Server, idleMs = 5_000): void {
    let sweep: NodeJS.Timeout | undefined
    const closed = new Promise<void>((resolve) => Server.prototype.close.call(server, () => resolve()))
    if (isHttp(server)) sweep = setTimeout(() => (sweep = setInterval(() => server.closeIdleConnections(), 200)), idleMs)
    closing.add(closed)
    void closed.then(() => {
      clearTimeout(sweep)
      closing.delete(closed)
      if (isHttp(server)) server.close()
    })
  }

  return {
    apply,
    problems: () => problems,
    async drain({ idleMs }) {
      for (const { server } of active.values()) close(server, idleMs)
      active.clear()
      await Promise.all(closing)
    },
  }
}

const isHttp = (server: Server): server is HttpServer => 'closeIdleConnections' in server

/** On a socket that the supervisor holds, so that it outlives this process; else on one of our own. */
async function listen(server: Server, address: SocketAddress): Promise<void> {
  const held = process.connected === true ? await askToHold(address) : undefined
  // The predecessor may be closing its own listener just now.
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        const listening = (): void => {
          server.off('error', reject)
          server.on('error', () => {})
          resolve()
        }
        if (held !== undefined) server.listen(held, 511, listening)
        else server.listen({ ...address, backlog: 511, ...(address.host.includes(':') ? { ipv6Only: true } : {}) }, listening)
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt >= 40) throw error
      await sleep(50)
    }
  }
}

const answers = new Map<string, ((handle: object | undefined) => void)[]>()

process.on('message', (message: HeldMessage, handle: unknown) => {
  if (message?.pilot !== 'held') return
  const waiting = answers.get(addressKey(message.address)) ?? []
  answers.delete(addressKey(message.address))
  for (const resolve of waiting) resolve(handle as object | undefined)
})

/** Undefined when the supervisor cannot hold it or does not answer: then we bind for ourselves. */
async function askToHold(address: SocketAddress): Promise<object | undefined> {
  const key = addressKey(address)
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), 2_000)
    answers.set(key, [
      ...(answers.get(key) ?? []),
      (handle) => {
        clearTimeout(timer)
        resolve(handle)
      },
    ])
    tell({ pilot: 'hold', address })
  })
}

function release(address: SocketAddress): void {
  tell({ pilot: 'release', address })
}

export function tell(message: ServiceMessage): void {
  if (process.connected === true) process.send?.(message, undefined, undefined, () => {})
}
