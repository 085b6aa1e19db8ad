import { request } from 'node:http'

/** What one look at an address showed. */
export type Probe =
  | { readonly kind: 'answered'; readonly status: number; readonly location?: string }
  /** Nobody accepts connections there, or they are closed without an answer. */
  | { readonly kind: 'closed'; readonly message: string }
  | { readonly kind: 'silent'; readonly afterMs: number }

/** One GET without following redirects; reads no body. */
export function probe({ host = '127.0.0.1', port, path, timeoutMs, signal }: { host?: string; port: number; path: string; timeoutMs: number; signal?: AbortSignal }): Promise<Probe> {
  return new Promise((resolve) => {
    const get = request({ host, port, path: encoded(path), agent: false, timeout: timeoutMs, headers: { 'user-agent': 'pilot-health', host: 'localhost', connection: 'close' }, ...(signal ? { signal } : {}) }, (response) => {
      const { location } = response.headers
      resolve({ kind: 'answered', status: response.statusCode ?? 0, ...(location ? { location } : {}) })
      response.destroy()
    })
    // The timeout of a request counts silence on the socket only; the deadline counts everything.
    const deadline = setTimeout(() => {
      resolve({ kind: 'silent', afterMs: timeoutMs })
      get.destroy()
    }, timeoutMs)
    get.on('error', (error) => resolve({ kind: 'closed', message: error.message }))
    get.on('close', () => clearTimeout(deadline))
    get.end()
  })
}

/** As a browser sends it; what is written with % already stays. */
const encoded = (path: string): string => encodeURI(path.toWellFormed()).replaceAll('%25', '%')
