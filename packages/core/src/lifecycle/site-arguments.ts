import { PilotError } from '../errors/pilot-error.ts'
import type { AppDefinition } from './app-definition.ts'
import { newestConfiguration } from './ledger.ts'
import { trafficUrls } from './live.ts'
import { appScope, appTitle, linkVariable } from './scope.ts'
import type { AppSession } from './session.ts'

/**
 * What a site learns of its environment, which is when it is built: the public addresses of the apps that it uses, `env:` of the
 * manifest, `env set`, and `args:`; a later one hides an earlier one. Secrets would be there for everybody to read.
 */
export async function siteArguments(session: AppSession, { app, uses, env, buildArgs }: AppDefinition): Promise<Readonly<Record<string, string>>> {
  const set = newestConfiguration(await session.ledger())?.set ?? {}
  const addresses = await Promise.all(uses.map(async (name) => [linkVariable(name), await addressOf(session, { site: app, name })] as const))
  return { ...Object.fromEntries(addresses), ...env, ...set, ...buildArgs }
}

/** As browsers reach it. Throws NOT_ALLOWED_NOW while the app has none. */
async function addressOf({ context }: AppSession, { site, name }: { site: AppDefinition['app']; name: string }): Promise<string> {
  const other = { ...site, app: name }
  const { url } = trafficUrls(await context.store.scope(appScope(other)).readState())
  if (url !== undefined) return url
  throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(site)} uses ${name}, which has no address yet`, { reason: 'The address of an app becomes part of a site when the site is built.', suggestion: `Deploy ${name} first with \`up --app ${name}\`.` })
}
