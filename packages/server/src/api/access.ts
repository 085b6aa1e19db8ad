import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { PilotError } from '@pilot/core'
import { secretFile } from '../secret-file.ts'

/**
 * Who may ask. Over the unix socket: whoever can open it, which its folder (0700) limits to the user. Over TCP, which every
 * page in every browser of this machine can reach:
 *
 * - the Host header must be a loopback name with our port, so that a foreign name that resolves to 127.0.0.1 (DNS rebinding)
 *   and the host name of an app are refused;
 * - an Origin, when there is one, must be ours; there are no CORS headers;
 * - what a browser says of where a request comes from (Sec-Fetch-Site) must not be another site, nor another port of this machine;
 * - each request carries the token as `Authorization: Bearer`. Never as a cookie (it would go along with requests of other
 *   pages and other ports) and never in an address (it would stand in histories and logs).
 */
export interface BrowserAccess {
  readonly port: number
  readonly token: string
}

/** Throws UNAUTHORIZED with the reason. */
export function checkBrowserAccess(headers: IncomingHttpHeaders, { port, token }: BrowserAccess): void {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]
  const host = headers.host?.toLowerCase()
  if (host === undefined || !hosts.includes(host)) throw refused(`The Host header ${JSON.stringify(host ?? '')} is not one of ${hosts.join(', ')}.`)
  const { origin } = headers
  if (origin !== undefined && !hosts.some((allowed) => origin === `http://${allowed}`)) throw refused(`Requests from the origin ${JSON.stringify(origin)} are not accepted.`)
  const from = headers['sec-fetch-site']
  if (from !== undefined && from !== 'same-origin' && from !== 'none') throw refused(`Requests from another page (${JSON.stringify(from)}) are not accepted.`)
  const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  if (given === undefined) throw refused('There is no `Authorization: Bearer` header.')
  if (!timingSafeEqual(digest(given), digest(token))) throw refused('The token is not the one of this home.')
}

export const tokenPath = (keysFolder: string): string => join(keysFolder, 'server.token')

/** The token of the home, made by whoever asks first. */
export const browserToken = (keysFolder: string): Promise<string> => secretFile(tokenPath(keysFolder))

const refused = (reason: string): PilotError => new PilotError('UNAUTHORIZED', 'This request is not allowed', { reason })
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
