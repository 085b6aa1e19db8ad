import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** `through`: the engine answers. `silent`: it takes connections and says nothing. `gone`: there is no socket any more. */
export type EngineMode = 'through' | 'silent' | 'gone'

/** Stands before the Docker engine of this machine, which others use too, and fails in its place. */
export interface EngineProxy extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly url: string
  /** Also of connections that are open: those that no longer fit are cut. */
  mode(mode: EngineMode): Promise<void>
}

export async function engineProxy(path: string, { engine = '/var/run/docker.sock' }: { readonly engine?: string } = {}): Promise<EngineProxy> {
  const open = new Set<Socket>()
  let current: EngineMode = 'gone'
  let server: Server | undefined

  function take(client: Socket): void {
    const known = (socket: Socket): Socket => {
      open.add(socket)
      return socket.on('error', () => {}).once('close', () => open.delete(socket))
    }
    known(client)
    if (current === 'silent') return void client.resume()
    const upstream = known(connect({ path: engine, allowHalfOpen: true }))
    client.pipe(upstream).pipe(client)
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroy())
  }

  async function close(): Promise<void> {
    const closing = server
    server = undefined
    for (const socket of open) socket.destroy()
    if (closing !== undefined) await new Promise((resolve) => closing.close(resolve))
    rmSync(path, { force: true })
  }

  const proxy: EngineProxy = {
    url: `unix://${path}`,
    async mode(mode) {
      current = mode
      await close()
      if (mode === 'gone') return
      const opening = createServer({ allowHalfOpen: true }, take)
      await new Promise<void>((resolve) => opening.listen(path, resolve))
      server = opening
    },
    [Symbol.asyncDispose]: close,
  }
  await proxy.mode('through')
  return proxy
}
