import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonSync, replaceJson } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'
import type { ServerResponse } from './node-http.ts'

/** RFC 8555, 8.3: what stands at a URL of the domain while an authority looks whether it is ours. */
export interface Challenge {
  readonly domain: string
  readonly token: string
  readonly answer: string
}

const prefix = '/.well-known/acme-challenge/'
const tokenPattern = /^[A-Za-z0-9_-]{1,200}$/

export const challengeUrl = ({ domain, token }: Pick<Challenge, 'domain' | 'token'>): string => `http://${domain}${prefix}${token}`

/** The edge answers with it from the next request on. */
export function putChallenge(paths: Pick<HomePaths, 'challenges'>, challenge: Challenge): void {
  if (!tokenPattern.test(challenge.token)) throw new Error(`The token of the challenge for ${challenge.domain} is none.`)
  replaceJson(join(paths.challenges, `${challenge.token}.json`), challenge)
}

/** Absent is success. */
export function removeChallenge(paths: Pick<HomePaths, 'challenges'>, { token }: Pick<Challenge, 'token'>): void {
  if (tokenPattern.test(token)) rmSync(join(paths.challenges, `${token}.json`), { force: true })
}

/** Whether the request was one for a challenge of ours, and is answered. All others go to the app, which may have its own. */
export function answerChallenge(paths: Pick<HomePaths, 'challenges'>, { host, path, response }: { host: string; path: string; response: ServerResponse }): boolean {
  if (!path.startsWith(prefix)) return false
  const token = path.slice(prefix.length)
  if (!tokenPattern.test(token)) return false
  const challenge = readQuietly(join(paths.challenges, `${token}.json`))
  if (challenge?.domain !== host) return false
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': Buffer.byteLength(challenge.answer), 'cache-control': 'no-store' }).end(challenge.answer)
  return true
}

function readQuietly(path: string): Challenge | undefined {
  try {
    return readJsonSync<Challenge>(path)
  } catch {
    return undefined
  }
}
