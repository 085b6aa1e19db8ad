import { Server } from 'node:net'
import type { Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressKey, notSupported, type HeldMessage, type ServiceMessage, type SocketAddress } from '../supervisor/held-sockets.ts'

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

/**
 * On a socket that the supervisor holds, so that it outlives this process; on one of our own only where no supervisor can. A
 * predecessor that nobody held sockets for may be closing its listener just now, so a port that is taken is asked for again.
 */
async function listen(server: Server, address: SocketAddress): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const held = process.connected === true ? await askToHold(address) : undefined
      return await listenOn(server, held ?? { ...address, ...(address.host.includes(':') ? { ipv6Only: true } : {}) })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt >= 100) throw error
      await sleep(20)
    }
  }
}

function listenOn(server: Server, where: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    }
    if (isAddress(where)) server.listen({ ...where, backlog: 511 }, listening)
    else server.listen(where, 511, listening)
  })
}

const isAddress = (where: object): where is SocketAddress => 'port' in where

type Answer = HeldMessage & { readonly handle?: object | undefined }

const answers = new Map<string, ((answer: Answer | undefined) => void)[]>()

process.on('message', (message: HeldMessage, handle: unknown) => {
  if (message?.pilot === 'held') settle(addressKey(message.address), { ...message, handle: handle as object | undefined })
})
process.once('disconnect', () => {
  for (const key of answers.keys()) settle(key, undefined)
})

function settle(key: string, answer: Answer | undefined): void {
  const waiting = answers.get(key) ?? []
  answers.delete(key)
  for (const resolve of waiting) resolve(answer)
}

/**
 * The socket; undefined when the supervisor is gone or cannot hold any. As long as it lives it is waited for, however late it
 * answers: a socket that we bound ourselves meanwhile would be in the way of our successor. Throws what `bind` says.
 */
async function askToHold(address: SocketAddress): Promise<object | undefined> {
  const key = addressKey(address)
  const answer = await new Promise<Answer | undefined>((resolve) => {
    answers.set(key, [...(answers.get(key) ?? []), resolve])
    tell({ pilot: 'hold', address })
  })
  if (answer?.error !== undefined && answer.error !== notSupported) throw Object.assign(new Error(`${key}: ${answer.error}`), { code: answer.error })
  return answer?.handle
}

function release(address: SocketAddress): void {
  tell({ pilot: 'release', address })
}

export function tell(message: ServiceMessage): void {
  if (process.connected === true) process.send?.(message, undefined, undefined, () => {})
}
