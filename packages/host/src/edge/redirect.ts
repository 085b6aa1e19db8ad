import type { ServerResponse } from './node-http.ts'
import type { Place } from './acceptable.ts'

/**
 * Sends a plain request to the same place over HTTPS, with its method and body (308). Somebody who came through the usual port,
 * which is then forwarded to this edge, goes on to the usual port of HTTPS; somebody who names this edge's port to its port of
 * HTTPS. False when there is nowhere to send to, and for what came over HTTPS to somebody who stands in front and says so: it
 * would be sent in a circle. Who makes that up misses the redirect, and nothing else.
 */
export function redirectToSecure({ place: { host, authority, path }, response, port, securePort }: { place: Place; response: ServerResponse; port: number; securePort: number | undefined }): boolean {
  if (String(response.req.headers['x-forwarded-proto'] ?? '').toLowerCase() === 'https') return false
  const given = /:(\d+)$/.exec(authority)?.[1]
  const named = given === undefined || given === '80' ? '' : Number(given) === port && securePort !== undefined ? `:${securePort}` : undefined
  if (named === undefined || securePort === undefined) return false
  response.writeHead(308, { location: `https://${host}${named}${path}`, 'content-length': 0, 'cache-control': 'no-store' }).end()
  return true
}
