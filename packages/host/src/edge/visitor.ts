import { randomInt } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { chooseTarget, type ActiveRoute, type Target } from './table.ts'

/** What a browser keeps while several versions share the traffic: a number from 0 to 99. */
const cookieName = 'pilot-canary'

/**
 * Which version answers. While several share the traffic, a browser stays with the one that it opened a page of: what the page loads and
 * calls fits it. Its number falls into the share of a version, counted from the newest on, so that a share that grows only takes
 * visitors over, and sends nobody back. Whoever keeps no cookies is spread exactly by the weights, request by request.
 */
export function chooseForVisitor(active: ActiveRoute, request: IncomingMessage): { readonly target: Target | undefined; readonly cookie?: string } {
  const { targets } = active
  if (targets.length < 2) return { target: targets[0] }
  const number = numberOf(request.headers.cookie)
  const known = number === undefined ? undefined : shares(targets).find(({ to }) => number < to)
  if (known !== undefined) return { target: known.target }
  const target = chooseTarget(active)
  const share = opensPage(request) ? shares(targets).find((each) => each.target === target) : undefined
  return share === undefined ? { target } : { target, cookie: `${cookieName}=${randomInt(share.from, Math.max(share.from + 1, share.to))}; Path=/; HttpOnly; SameSite=Lax` }
}

function shares(targets: readonly Target[]): readonly { readonly target: Target; readonly from: number; readonly to: number }[] {
  let to = 0
  return targets.toReversed().map((target) => ({ target, from: to, to: (to += target.percent) }))
}

function numberOf(cookies: string | undefined): number | undefined {
  const [, digits] = /(?:^|;\s*)pilot-canary=(\d{1,2})(?:;|$)/.exec(cookies ?? '') ?? []
  return digits === undefined ? undefined : Number(digits)
}

const opensPage = ({ method, headers }: IncomingMessage): boolean => method === 'GET' && (headers['sec-fetch-mode'] === 'navigate' || headers.accept?.includes('text/html') === true)
