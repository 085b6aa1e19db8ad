import { isPilotError } from '@pilot/core/errors'
import type { CommandContext } from './context.ts'
import type { PlatformChoice } from './platform.ts'
import type { PreparedApp } from './sources.ts'
import { cleanLine } from './text/clean.ts'
import { bytes } from './text/units.ts'

export interface PlannedApp {
  readonly app: string
  /** `first`: never deployed here; `unchanged`: same source as the newest deployment; `changed`. */
  readonly source: 'first' | 'unchanged' | 'changed'
  readonly digest: string
  readonly bytes: number
  readonly files: number
  readonly deployed?: number
  readonly missingSecrets: readonly string[]
  readonly database: boolean
  readonly image?: string
}

/** `up --plan`: what would be done, from what is known before anything is built. Changes nothing. */
export async function showUpPlan(context: CommandContext, { project, environment, choice, apps }: { project: string; environment: string; choice: PlatformChoice; apps: readonly PreparedApp[] }): Promise<number> {
  const platform = choice.type === 'existing' ? choice.name : undefined
  const planned = await Promise.all(apps.map((app) => planApp(context, app, platform)))
  const { output } = context
  output.event({ type: 'plan', project, environment, platform: platform ?? 'local', createsPlatform: platform === undefined, apps: planned })
  const { ok, warn, dim, strong, symbol } = output.out
  output.result(`project ${strong(project)} ${symbol.dot} environment ${strong(environment)} ${symbol.dot} platform ${strong(platform ?? 'local')}${platform === undefined ? ' (would be created on this machine)' : ''}`)
  const elsewhere = environment === 'production' ? '' : ` -e ${environment}`
  for (const { app, source, deployed, files, bytes: size, missingSecrets, database, image } of planned) {
    const what = { first: `${ok('+')} ${strong(app)}  first deployment: build, deploy, release`, changed: `${warn('~')} ${strong(app)}  source differs from v${deployed}: build, deploy, release`, unchanged: `${dim(symbol.same)} ${strong(app)}  same source as v${deployed}: released again only if its configuration changed` }[source]
    output.result(`  ${what}`)
    output.result(dim(`      ${image === undefined ? `${files} files, ${bytes(size)}` : `the image ${image}`}${database ? ', with a database' : ''}`))
    if (missingSecrets.length > 0) output.result(`      ${warn(symbol.warn)} secrets without a value: ${missingSecrets.map(cleanLine).join(', ')}; \`${context.typed(`secret set ${app} KEY${elsewhere}`)}\` sets one`)
  }
  return 0
}

async function planApp(context: CommandContext, { definition, source }: PreparedApp, platform: string | undefined): Promise<PlannedApp> {
  const known = platform === undefined ? undefined : await deployedOf(context, definition.app, platform)
  const newest = known?.deployments[0]
  const held = new Set(known?.secrets)
  return {
    app: definition.app.app,
    source: newest === undefined ? 'first' : newest.source.digest === source.digest ? 'unchanged' : 'changed',
    digest: source.digest,
    bytes: source.bytes,
    files: source.facts.files.length,
    ...(newest === undefined ? {} : { deployed: newest.number }),
    missingSecrets: definition.secrets.filter((name) => !held.has(name)),
    database: definition.database !== undefined,
    ...(definition.image === undefined ? {} : { image: definition.image }),
  }
}

async function deployedOf(context: CommandContext, params: PreparedApp['definition']['app'], platform: string) {
  const client = await context.client()
  try {
    const [{ deployments }, { secrets }] = await Promise.all([client.request('deployments', { params, query: { platform, limit: 1 } }), client.request('secrets', { params, query: { platform } })])
    return { deployments, secrets: secrets.map(({ name }) => name) }
  } catch (error) {
    if (isPilotError(error) && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
