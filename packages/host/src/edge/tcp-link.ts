import { connect, createServer, type Server } from 'node:net'

/** A listener that passes bytes on: the path to a database. */
export function createTcpLink({ to, allows }: { to: () => { readonly host: string; readonly port: number } | undefined; allows: (address: string) => boolean }): Server {
  return createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    const address = to()
    if (address === undefined || !allows((socket.remoteAddress ?? '').replace(/^::ffff:/, ''))) return void socket.destroy()
    const upstream = connect({ ...address, allowHalfOpen: true, noDelay: true, keepAlive: true })
    socket.on('error', () => upstream.destroy())
    upstream.on('error', () => socket.destroy())
    socket.once('close', () => upstream.destroy())
    upstream.once('close', () => socket.destroy())
    socket.pipe(upstream)
    upstream.pipe(socket)
  })
}
