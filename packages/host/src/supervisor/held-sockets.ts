import { getSystemErrorName } from 'node:util'

/**
 * Listening sockets that outlive the process that accepts on them.
 *
 * A service asks over its IPC channel; the supervisor binds and hands over a duplicate. While the service is gone the socket
 * still listens, so that the kernel queues connections until the next one accepts. The supervisor never accepts: it only
 * binds, and the service's `listen` makes the shared socket a listening one.
 *
 * Node has a public way to bind without listening (`net.BoundSocket`, 24.17), but none to send such a socket to a running
 * child, so this file alone reaches for the TCP handle that Node's own servers use. Where that is gone, services bind for
 * themselves: see docs/decisions.
 */
export interface HeldSockets {
  /** The handle to send, or the error code of `bind`. */
  hold(address: SocketAddress): { readonly handle: object } | { readonly error: string }
  release(address: SocketAddress): void
  releaseAll(): void
}

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** What a service sends over its channel. */
export type ServiceMessage = { readonly pilot: 'hold'; readonly address: SocketAddress } | { readonly pilot: 'release'; readonly address: SocketAddress } | { readonly pilot: 'ready' }

/** What it gets back; with the handle attached unless there is an error. */
export interface HeldMessage {
  readonly pilot: 'held'
  readonly address: SocketAddress
  readonly error?: string
}

/** The answer where this Node lets nobody hold sockets. */
export const notSupported = 'ENOTSUP'

export const addressKey = ({ host, port }: SocketAddress): string => `${host} ${port}`

export function heldSockets(): HeldSockets {
  const held = new Map<string, TcpHandle>()
  const binding = tcpBinding()
  return {
    hold(address) {
      if (binding === undefined) return { error: notSupported }
      const existing = held.get(addressKey(address))
      if (existing) return { handle: existing }
      const bound = bind(binding, address)
      if ('handle' in bound) held.set(addressKey(address), bound.handle)
      return bound
    },
    release(address) {
      held.get(addressKey(address))?.close()
      held.delete(addressKey(address))
    },
    releaseAll() {
      for (const handle of held.values()) handle.close()
      held.clear()
    },
  }
}

interface TcpHandle {
  bind(host: string, port: number, flags?: number): number
  bind6(host: string, port: number, flags?: number): number
  getsockname(address: object): number
  close(): void
}

interface TcpBinding {
  readonly TCP: new (type: number) => TcpHandle
  readonly constants: { readonly SERVER: number; readonly UV_TCP_IPV6ONLY: number }
}

function tcpBinding(): TcpBinding | undefined {
  try {
    const binding = (process as unknown as { binding(name: string): Partial<TcpBinding> }).binding('tcp_wrap')
    return typeof binding.TCP === 'function' && binding.constants !== undefined ? (binding as TcpBinding) : undefined
  } catch {
    return undefined
  }
}

function bind({ TCP, constants }: TcpBinding, { host, port }: SocketAddress): { readonly handle: TcpHandle } | { readonly error: string } {
  const handle = new TCP(constants.SERVER)
  const bound = host.includes(':') ? handle.bind6(host, port, constants.UV_TCP_IPV6ONLY) : handle.bind(host, port)
  // libuv keeps EADDRINUSE for the next call.
  const error = bound || handle.getsockname({})
  if (error === 0) return { handle }
  handle.close()
  return { error: getSystemErrorName(error) }
}
