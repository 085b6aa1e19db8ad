import type { IncomingMessage } from './node-http.ts'

/** Why a request is not passed on, although it could be parsed. */
export interface Refusal {
  readonly status: number
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

export const longestTarget = 16 * 1024
export const mostHeaders = 200
const allow = { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }
const none: Refusal = { status: 400, text: 'The request names no single valid host and path.' }

export interface Place {
  readonly host: string
  /** As the client wrote it, with the port. */
  readonly authority: string
  readonly path: string
}

/**
 * Which host and path the request is for, or why it goes nowhere: what Node's parser lets through although another reader might take it
 * for something else (RFC 9112, sections 2.3, 3.2, 6.1), and what is not for apps.
 */
export function placeOf(request: IncomingMessage): Place | Refusal {
  const { headers, rawHeaders, method, httpVersion, url: target = '/' } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return { status: 505, text: 'This server speaks HTTP/1.1.' }
  if (target.length > longestTarget) return { status: 414, text: `The target is longer than ${longestTarget} bytes.` }
  if (rawHeaders.length > 2 * mostHeaders) return { status: 431, text: `The request has more than ${mostHeaders} headers.` }
  const coding = headers['transfer-encoding']
  // With another coding around it the body would reach the app without a word about that; HTTP/1.0 has none.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return { status: 501, text: 'The only transfer coding is chunked.' }
  if (coding !== undefined && httpVersion === '1.0') return { status: 400, text: 'HTTP/1.0 has no transfer codings.' }
  // It would show cookies and what proxies have added to a script that may not read them.
  if (method === 'TRACE') return { status: 405, text: 'TRACE is not allowed.', headers: allow }
  if (countHosts(rawHeaders) > 1) return none
  let authority = headers.host
  let path = target
  if (!target.startsWith('/')) {
    // About the server itself: what apps allow, they say for their own paths.
    if (target === '*') return method === 'OPTIONS' ? { status: 204, text: '', headers: allow } : none
    // The authority of the absolute form wins over the Host header (RFC 9112, 3.2.2).
    const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target)
    if (absolute === null) return none
    authority = absolute[1]
    path = absolute[2]?.startsWith('/') === true ? absolute[2] : `/${absolute[2] ?? ''}`
  }
  if (authority === undefined || path.includes('#')) return none
  const [, name, port] = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(authority) ?? []
  if (name === undefined || Number(port ?? 0) > 65_535) return none
  return { host: name.toLowerCase().replace(/\.$/, ''), authority, path }
}

/** What asks for another protocol and has a body, or asks for one that is none here, is a request like any other (RFC 9110, 7.8). */
export function wantsUpgrade({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() !== 'h2c' && (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined
}

function countHosts(rawHeaders: readonly string[]): number {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts
}
