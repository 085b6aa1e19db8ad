import type { IncomingMessage, ServerResponse } from './node-http.ts'
import { answerPage } from './pages.ts'

/** Ends a connection whose client has stopped in the middle of a body. While the app reads none, the client is not at fault. */
export function limitPauses({ request, response, pauseMs }: { request: IncomingMessage; response: ServerResponse; pauseMs: number }): void {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return
  const { socket } = request
  let read = socket.bytesRead
  const timer = setInterval(() => {
    if (socket.bytesRead !== read || request.isPaused()) return void (read = socket.bytesRead)
    stop()
    if (response.headersSent) return void socket.destroy()
    response.shouldKeepAlive = false
    answerPage(response, { status: 408, title: 'Request timeout', text: `Nothing of the body came for ${pauseMs / 1000} s.` })
  }, pauseMs)
  const stop = (): void => clearInterval(timer)
  request.once('end', stop)
  request.once('close', stop)
}
