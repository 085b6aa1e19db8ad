import type { IncomingMessage } from 'node:http'

/** RFC 9110, 7.6.1: meant for one connection only. `te` survives as `trailers`; upgrades are handled elsewhere. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

/** What clients may not tell an app about themselves: the edge says it. `Proxy` is `HTTP_PROXY` to a CGI program. */
const ours = new Set(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-real-ip', 'proxy'])
/** Many servers give `X_Forwarded_For` to the app under the same name as `X-Forwarded-For`. */
const isOurs = (lower: string): boolean => ours.has(lower) || (lower.includes('_') && ours.has(lower.replaceAll('_', '-')))
/** How long the message is stays said, whoever names it in Connection. */
const kept = new Set(['content-length', 'host'])

/** The headers for the upstream, as a flat list of names and values in their order and spelling. */
export function requestHeaders(request: IncomingMessage, { host, upgrade }: { host: string; upgrade?: string }): string[] {
  const dropped = connectionNames(request.headers.connection)
  const headers: string[] = ['host', host]
  const { rawHeaders } = request
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const lower = name.toLowerCase()
    // Node has answered `100-continue` already.
    if (lower === 'host' || lower === 'expect' || isOurs(lower)) continue
    if (hopByHop.has(lower) || dropped?.has(lower) === true) continue
    headers.push(name, rawHeaders[i + 1] as string)
  }
  if (upgrade !== undefined) headers.push('connection', 'upgrade', 'upgrade', upgrade)
  else if (/\btrailers\b/i.test(String(request.headers.te ?? ''))) headers.push('te', 'trailers')
  const address = clientAddress(request)
  const scheme = isSecure(request) ? 'https' : 'http'
  headers.push('x-forwarded-for', address, 'x-forwarded-host', host, 'x-forwarded-proto', scheme, 'forwarded', `for=${address.includes(':') ? `"[${address}]"` : address};host="${host.replaceAll(/["\\]/g, '')}";proto=${scheme}`)
  return headers
}

/** Whether it came over TLS that ended here. */
export const isSecure = ({ socket }: Pick<IncomingMessage, 'socket'>): boolean => 'encrypted' in socket

/** The headers for the client, from the list of buffers or strings that the parser gives. */
export function responseHeaders(raw: readonly (Buffer | string)[], { status }: { status?: number } = {}): string[] {
  const names: string[] = []
  for (let i = 0; i < raw.length; i += 2) if (raw[i]?.length === 10 && text(raw[i]).toLowerCase() === 'connection') names.push(text(raw[i + 1]))
  const dropped = connectionNames(names.length > 1 ? names.join(',') : names[0])
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i])
    const lower = name.toLowerCase()
    if ((hopByHop.has(lower) && lower !== 'trailer') || dropped?.has(lower) === true) continue
    if (status === 204 && lower === 'content-length') continue
    headers.push(name, text(raw[i + 1]))
  }
  return headers
}

/** The address of the peer, IPv4 in its own form also when it came over an IPv6 socket. */
export function clientAddress({ socket }: Pick<IncomingMessage, 'socket'>): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
}

function connectionNames(value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  return new Set(value.toLowerCase().split(',').map((name) => name.trim()).filter((name) => !kept.has(name)))
}

const text = (value: Buffer | string | undefined): string => (typeof value === 'string' ? value : (value?.toString('latin1') ?? ''))
