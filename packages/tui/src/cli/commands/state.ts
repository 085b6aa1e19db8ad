import { PilotError } from '@pilot/core/errors'
import type { Scope, StateHistory } from '@pilot/server/contract'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { renderError } from '../render-error.ts'
import { announce, resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago } from '../text/units.ts'

const platformFlag = { flags: '--of-platform', summary: 'The state of the platform itself instead of an app\'s.' }

export const stateHistory = defineCommand({
  name: 'state history',
  summary: 'List the recorded versions of an app\'s or the platform\'s state',
  description: ['The state is what Pilot recorded of the resources that it made. Without an app, outside a project, it lists all scopes that have a state.'],
  arguments: [appArgument],
  options: [platformFlag, { flags: '--all', summary: 'All scopes of this home.' }],
  examples: [
    { run: 'state history api', summary: 'versions and resources of one app' },
    { run: 'state history --all', summary: 'what has a state at all' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const client = await context.client()
    const { output } = context
    if (flag(options, 'all')) {
      const found = await client.request('scopes', { query: onPlatform(context), signal: context.signal })
      return await output.answer(found, () => scopesText(found.scopes, output.out, Date.now()))
    }
    const { scope, query } = await scopeOf(context, args[0], flag(options, 'ofPlatform'))
    const history = await client.request('stateHistory', { params: { scope }, query, signal: context.signal })
    await output.answer(history, () => historyText(history, { style: output.out, form: context.form, now: Date.now() }))
  },
})

export const stateRestore = defineCommand({
  name: 'state restore',
  summary: 'Make an earlier version of a state the newest',
  description: ['Changes what Pilot knows, not what exists: for when a state was damaged. The next `up` compares it with what is really there.'],
  arguments: [appArgument, { name: '<VERSION>', summary: 'As `state history` lists it.' }],
  options: [platformFlag, common.yes],
  examples: [{ run: 'state restore api 41', summary: 'version 41 becomes the newest one' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, text] = args.length > 1 ? [args[0], args[1]!] : [undefined, args[0]!]
    const version = Number(text)
    if (!Number.isInteger(version) || version < 1) throw new PilotError('USAGE', `${text} is not a version: a whole number from 1.`, { suggestion: '`state history` lists the versions.' })
    const { scope, query, place } = await scopeOf(context, app, flag(options, 'ofPlatform'))
    await announce(context, place)
    await agree(context, flag(options, 'yes'), `Make version ${version} of ${scope} the newest? Resources are not touched.`)
    const changed = await (await context.client()).request('restoreState', { params: { scope }, query, body: { version } })
    finish(context, changed)
    context.output.result(`Version ${version} is restored as version ${changed.version}.`)
  },
})

export const stateForget = defineCommand({
  name: 'state forget',
  summary: 'Forget a recorded resource without deleting it',
  description: ['For what was deleted by hand, or is to live on without Pilot. What still exists stays, and is then nobody\'s.'],
  arguments: [appArgument, { name: '<KEY>', summary: 'The resource, as `state history` lists it.' }],
  options: [platformFlag, common.yes],
  examples: [{ run: 'state forget api network', summary: 'Pilot no longer knows it' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, key] = args.length > 1 ? [args[0], args[1]!] : [undefined, args[0]!]
    const { scope, query, place } = await scopeOf(context, app, flag(options, 'ofPlatform'))
    await announce(context, place)
    await agree(context, flag(options, 'yes'), `Forget ${key} of ${scope}? It is not deleted, and Pilot will no longer delete it.`)
    const changed = await (await context.client()).request('forgetResource', { params: { scope }, query, body: { key } })
    finish(context, changed)
    context.output.result(`Forgot ${cleanLine(key)}.`)
  },
})

async function scopeOf(context: CommandContext, app: string | undefined, ofPlatform: boolean): Promise<{ scope: string; query: { platform?: string }; place: Parameters<typeof announce>[1] }> {
  if (ofPlatform) return { scope: 'platform', query: onPlatform(context), place: onPlatform(context) }
  const { params, query } = await resolveApp(context, app)
  return { scope: `app/${params.project}/${params.app}/${params.environment}`, query, place: { ...params, platform: query.platform } }
}

const onPlatform = ({ globals }: CommandContext): { platform?: string } => (globals.platform === undefined ? {} : { platform: globals.platform })

async function agree(context: CommandContext, yes: boolean, message: string): Promise<void> {
  if (yes || (await context.ask.confirm({ message, flag: '--yes' }))) return
  throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
}

function finish({ output }: CommandContext, result: Readonly<Record<string, unknown>>): void {
  output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result })
}

async function scopesText(scopes: readonly Scope[], style: Style, now: number): Promise<string> {
  if (scopes.length === 0) return 'Nothing has a state yet.'
  const { table } = await import('../text/table.ts')
  const rows = scopes.map(({ scope, platform, version, at, resources, heldBy, problem }) => [cleanLine(scope), cleanLine(platform), String(version ?? ''), at === undefined ? '' : ago(at, now), problem === undefined ? String(resources) : style.bad('cannot be read'), cleanLine(heldBy ?? '')])
  return table(['SCOPE', 'PLATFORM', 'VERSION', 'WRITTEN', 'RESOURCES', 'HELD BY'], rows, { heading: style.dim, width: style.width, whole: ['SCOPE'] })
}

async function historyText({ versions, resources, problem }: StateHistory, { style, form, now }: { style: Style; form: string; now: number }): Promise<string> {
  const { table } = await import('../text/table.ts')
  const recorded = table(['RESOURCE', 'KIND', 'STATUS', 'ID'], resources.map(({ key, kind, status, id }) => [cleanLine(key), cleanLine(kind), status, cleanLine(id)]), { heading: style.dim, width: style.width, whole: ['RESOURCE'], cut: ['ID'] })
  const written = table(['VERSION', 'WRITTEN'], versions.map(({ version, at }) => [String(version), ago(at, now)]), { heading: style.dim, width: style.width })
  const unreadable = problem === undefined ? [] : [renderError(problem, { form, style })]
  return [...unreadable, ...(resources.length === 0 ? [] : [recorded]), written].join('\n\n')
}
