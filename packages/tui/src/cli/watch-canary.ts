import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError } from '@pilot/core/errors'
import type { AppView } from '@pilot/server/contract'
import type { CommandContext } from './context.ts'
import { reachableUrl } from './reachable-url.ts'
import type { AppTarget } from './target.ts'
import { cleanLine } from './text/clean.ts'
import { duration } from './text/units.ts'
import { untilInterrupt } from './until-interrupt.ts'

const lookMs = 1_000

type Canary = NonNullable<AppView['status']['canary']>

/**
 * Waits for the end of a canary that goes on by itself, and says each step. The server does the work: Ctrl-C leaves it to it. Throws
 * UNHEALTHY when the canary ended badly. One that is taken by hand, or none, is not waited for.
 */
export async function watchCanary(context: CommandContext, { params, query }: Pick<AppTarget, 'params' | 'query'>): Promise<{ readonly exit: number; readonly url?: string }> {
  const client = await context.client()
  const view = async (signal: AbortSignal): Promise<AppView> => client.request('app', { params, query, signal })
  const first = (await view(context.signal)).status.canary
  if (first?.next === undefined) return { exit: 0 }
  const name = cleanLine(params.app)
  const title = `v${first.deployment.number}`
  let url: string | undefined
  context.say(`Waiting for the canary; Ctrl-C leaves it to the server. \`${context.typed(`release ${name}`)}\` gives it all of the traffic at once, \`${context.typed(`rollback ${name}`)}\` none.`)
  const exit = await untilInterrupt(context, async (signal) => {
    for (let last: Canary = first; ; ) {
      await sleep(lookMs, undefined, { signal })
      const { status, job } = await view(signal)
      const { canary } = status
      if (canary === undefined) {
        // The old version still ends its requests.
        if (job?.state === 'running') continue
        await refuseAborted(context, { params, query }, { canary: last, signal })
        url = status.url === undefined ? undefined : await reachableUrl({ url: status.url, fallbackUrl: status.fallbackUrl })
        return context.say(`${name}: ${title} has all of the traffic.`)
      }
      if (canary.percent !== last.percent) {
        context.output.event({ v: 1, at: new Date().toISOString(), type: 'canary.step', app: params.app, deployment: title, percent: canary.percent })
        context.say(`${name}: ${title} has ${canary.percent} % of the traffic${figures(last)}${canary.next === undefined ? '' : `; ${canary.next.percent} % in ${duration(Date.parse(canary.next.at) - Date.now())}`}.`)
      }
      last = canary
    }
  })
  if (exit !== 0) context.say(`The canary of ${name} goes on; \`${context.typed('status')}\` shows it, \`${context.typed('rollback')}\` ends it.`)
  return { exit, ...(url === undefined ? {} : { url }) }
}

/** Of the step before. */
const figures = ({ traffic, percent }: Canary): string => (traffic === undefined ? '' : ` (with ${percent} %: ${traffic.canary.requests} requests, ${traffic.canary.errors} failed)`)

async function refuseAborted(context: CommandContext, { params, query }: Pick<AppTarget, 'params' | 'query'>, { canary, signal }: { canary: Canary; signal: AbortSignal }): Promise<void> {
  const { releases } = await (await context.client()).request('releases', { params, query: { ...query, limit: 20 }, signal })
  const ended = releases.find((release) => release.canary === undefined)
  if (ended === undefined || ended.deployment === canary.deployment.id) return
  const because = ended.aborted?.because
  const title = `v${canary.deployment.number} of ${cleanLine(params.app)}`
  if (because === undefined) throw new PilotError('CANCELLED', `The canary ${title} was ended by ${cleanLine(ended.by)}.`, { suggestion: '`releases` shows what has the traffic.' })
  throw new PilotError('UNHEALTHY', `The canary ${title} failed`, { reason: `${cleanLine(because)}. All of the traffic is back with the version before.`, suggestion: 'See `logs`; deploy a mended version with `up`.' })
}
