import { appTitle, createRedactor, listReleases, PilotError, type AppIdentity, type DeploymentRecord, type LogLine, type SecretStore } from '@pilot/core'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { secretsOf } from '../../wiring.ts'
import { placeOf } from './app-place.ts'

/** What an app prints, as its target gives it, without the secrets that it was trusted with. */
export function appLogHandlers(services: Services) {
  return {
    async logs({ params: app, query: { platform, follow = false, tail, cursor, since, until, deployment: wanted }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const { deployments, live } = await listReleases(context, { app })
      const deployment = wanted === undefined ? undefined : deploymentOf(deployments, { app, wanted }).id
      const target = (deployments.find(({ id }) => id === (deployment ?? live)) ?? deployments.at(-1))?.target
      if (target === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no logs`, { reason: 'It was never deployed.', suggestion: 'Deploy it with `up`.' })
      const logs = context.provider.compute[target]?.logs
      if (logs === undefined) throw new PilotError('NOT_ALLOWED_NOW', target === 'static' ? `${appTitle(app)} is a site: nothing of it runs that could write a log` : `${context.platform.provider} gives no logs of a ${target}`)
      const visit = services.platforms.visit()
      return streamAnswer({
        headers: lineHeaders,
        onError: errorLine,
        onEnd: () => visit[Symbol.dispose](),
        make: async function* (open) {
          const call = { app, follow, signal: open, ...(tail === undefined ? {} : { tail }), ...(cursor === undefined ? {} : { cursor }), ...(since === undefined ? {} : { since: new Date(since).toISOString() }), ...(until === undefined ? {} : { until: new Date(until).toISOString() }), ...(deployment === undefined ? {} : { deployments: [deployment] }) }
          for await (const line of withoutSecrets(logs(call), { secrets: context.secrets, app })) yield `${JSON.stringify(line)}\n`
        },
      })
    },
  } satisfies Partial<Handlers>
}

/** An app that prints its environment, or a driver that prints the address of its database, tells nobody who reads its log. */
async function* withoutSecrets(lines: AsyncIterable<LogLine>, { secrets, app }: { readonly secrets: SecretStore; readonly app: AppIdentity }): AsyncGenerator<LogLine> {
  const seen = new Set<string>()
  let redactor = createRedactor()
  for await (const line of lines) {
    // Secrets that were set while somebody follows reach the app with another deployment only.
    if (!seen.has(line.deployment)) redactor = createRedactor(await secretsOf(secrets, app))
    seen.add(line.deployment)
    yield { ...line, text: redactor.redact(line.text) }
  }
}

/** By id, or by number as `v3` or `3`. Throws NOT_FOUND with those that there are. */
function deploymentOf(deployments: readonly DeploymentRecord[], { app, wanted }: { app: AppIdentity; wanted: string }): DeploymentRecord {
  const found = deployments.find(({ id, number }) => wanted === id || wanted === `v${number}` || wanted === String(number))
  if (found !== undefined) return found
  const newest = deployments.slice(-10).toReversed().map(({ id, number }) => `v${number} (${id})`)
  throw new PilotError('NOT_FOUND', `${appTitle(app)} has no deployment ${wanted}`, {
    reason: newest.length === 0 ? 'It was never deployed.' : newest.length === 1 ? `There is ${newest[0]}.` : `${newest.length < deployments.length ? 'The newest are' : 'There are'} ${newest.join(', ')}.`,
    suggestion: '`releases` lists them.',
  })
}
