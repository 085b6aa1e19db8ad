import type { Domain } from '@pilot/server/contract'
import { cleanLine } from './clean.ts'
import type { Style } from './style.ts'

/** What is wrong with a domain, and what to do: nothing where all is well. */
function domainProblems(domain: Domain, { now = Date.now() }: { now?: number } = {}): readonly string[] {
  const { error, nextTryAt, isHere, pointsTo, issuer } = domain
  const lines: string[] = []
  if (error !== undefined) {
    lines.push(`${error.message}${error.reason === undefined ? '' : `: ${error.reason}`}`, error.suggestion)
    if (nextTryAt !== undefined) lines.push(Date.parse(nextTryAt) > now ? `It is tried again after ${nextTryAt.slice(0, 16).replace('T', ' ')} UTC.` : 'It is tried again within a quarter of an hour.')
  }
  if (!isHere) {
    const found = pointsTo.length === 0 ? 'No name server that this machine asks knows it' : `It points to ${pointsTo.join(', ')}, which is no address of this machine`
    const todo = issuer === 'local' ? `For this machine alone: a line \`127.0.0.1 ${domain.domain}\` in /etc/hosts.` : pointsTo.length === 0 ? 'Set an A record to the public address of this machine.' : 'That is right where a router or balancer stands in front of it; else change its A and AAAA records.'
    lines.push(`${found}. ${todo}`)
  }
  return lines.map(cleanLine)
}

export function problemsText(domains: readonly Domain[], style: Style): string {
  return domains.flatMap((domain) => {
    const [first, ...rest] = domainProblems(domain)
    return first === undefined ? [] : [`${style.warn(style.symbol.warn)} ${cleanLine(domain.domain)}: ${first}`, ...rest.map((line) => `  ${line}`)]
  }).join('\n')
}

const day = 24 * 3600 * 1000

export function stateText({ state, notAfter, renewAt }: Domain, { now = Date.now() }: { now?: number } = {}): string {
  if (notAfter === undefined) return 'no certificate'
  const left = Date.parse(notAfter) - now
  const days = Math.floor(Math.abs(left) / day)
  const time = days === 0 ? 'within a day' : `in ${days} day${days === 1 ? '' : 's'}`
  if (state === 'expired' || left <= 0) return `ended ${days === 0 ? 'today' : `${days} day${days === 1 ? '' : 's'} ago`}`
  return `${state === 'failing' ? 'not renewed, ends' : renewAt !== undefined && Date.parse(renewAt) <= now ? 'due, ends' : 'ends'} ${time}`
}
