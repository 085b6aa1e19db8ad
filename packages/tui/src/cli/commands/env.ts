import { PilotError } from '@pilot/core/errors'
import type { Env } from '@pilot/server/contract'
import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag, type CommandInput } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'

export const envList = defineCommand({
  name: 'env list',
  summary: 'List an app\'s environment variables and where each comes from',
  description: ['Later ones win: what Pilot gives (database, addresses of other apps), the manifest, `env set`, secrets. PORT is always Pilot\'s. Of secrets only the names are shown.'],
  arguments: [appArgument],
  examples: [
    { run: 'env list', summary: 'with the source of each value' },
    { run: 'env list api --json', summary: 'for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const env = await (await context.client()).request('env', { params, query, signal: context.signal })
    await context.output.answer(env, () => envText(env, context.output.out))
  },
})

export const envSet = defineCommand({
  name: 'env set',
  summary: 'Set environment variables',
  description: ['Releases at once without a build, after the health check, unless --stage is given. Values are stored in the clear: for passwords and keys there is `secret set`.'],
  arguments: [appArgument, { name: '<KEY=VALUE...>', summary: 'One or more.' }],
  options: [common.stage, common.yes],
  examples: [
    { run: 'env set LOG_LEVEL=debug', summary: 'takes effect now' },
    { run: 'env set api PAGE_SIZE=50 REGION=eu --stage', summary: 'with the next `up`' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const [app, pairs] = input.args[0]!.includes('=') ? [undefined, input.args] : [input.args[0], input.args.slice(1)]
    if (pairs.length === 0) throw new PilotError('USAGE', 'No KEY=VALUE is given.', { suggestion: '`env set KEY=VALUE`, or `env set APP KEY=VALUE`.' })
    return await configure(context, { app, set: Object.fromEntries(pairs.map(pairOf)), unset: [], input })
  },
})

export const envUnset = defineCommand({
  name: 'env unset',
  summary: 'Remove environment variables',
  description: ['A value of the manifest shows again. Releases at once unless --stage is given.'],
  arguments: [appArgument, { name: '<KEY...>', summary: 'One or more.' }],
  options: [common.stage, common.yes],
  examples: [{ run: 'env unset LOG_LEVEL', summary: 'back to what the manifest says' }],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    // Variables and apps can look alike only in lower case: then the first of several is the app.
    const first = input.args[0]
    const namesApp = first !== undefined && input.args.length > 1 && (!isKey(first) || first === first.toLowerCase())
    const [app, keys] = namesApp ? [first, input.args.slice(1)] : [undefined, input.args]
    for (const key of keys) checkKey(key)
    return await configure(context, { app, set: {}, unset: keys, input })
  },
})

async function configure(context: CommandContext, { app, set, unset, input }: { app: string | undefined; set: Record<string, string>; unset: readonly string[]; input: CommandInput }): Promise<number> {
  const stage = flag(input.options, 'stage')
  const result = await runAppOperation(context, { app, request: { action: 'configure', set, unset: [...unset], stage }, yes: flag(input.options, 'yes'), protect: !stage })
  if (result.outcome === 'done' && stage) context.say('Kept for the next `up`.')
  printUrl(context, result)
  return result.exit
}

export async function envText({ values, version, released, pending }: Env, style: Style): Promise<string> {
  if (values.length === 0) return 'No variables. `env set KEY=VALUE` sets one.'
  const { table } = await import('../text/table.ts')
  const rows = values.map(({ key, source, value, from, hides = [] }) => [
    cleanLine(key),
    source === 'secret' ? style.dim('(secret)') : value === undefined ? style.dim(from === 'port' ? '(given at start)' : `(from ${cleanLine(from ?? 'the platform')})`) : cleanLine(value),
    `${sourceTitle(source)}${hides.length > 0 ? style.dim(`, over ${hides.toReversed().map(sourceTitle).join(', ')}`) : ''}`,
  ])
  const list = table(['KEY', 'VALUE', 'SOURCE'], rows, { heading: style.dim, width: style.width, whole: ['KEY', 'VALUE'] })
  return pending === undefined ? list : `${list}\n\n${style.warn(style.symbol.warn)} ${pendingText({ pending, version, released })}`
}

/** As people call where a value comes from. */
export const sourceTitle = (source: string): string => (source === 'platform' ? 'Pilot' : source)

function pendingText({ pending: { why, names }, version, released }: { pending: NonNullable<Env['pending']>; version: number; released: number | undefined }): string {
  const what = names.map(cleanLine).join(', ')
  if (why === 'staged') return `Staged: ${what}. This list is version ${version}, the running release has version ${released}; the next release takes it. \`env diff\` shows the difference.`
  return `A rollback went back to version ${released}: there ${what} ${names.length === 1 ? 'is' : 'are'} otherwise. The next \`up\` or \`env set\` goes on from this list; \`env diff\` shows the difference, \`env restore ${released}\` keeps the older values.`
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new PilotError('USAGE', `${text} is not of the form KEY=VALUE.`, { suggestion: '`env set KEY=VALUE`, or `env set APP KEY=VALUE`.' })
  const key = text.slice(0, at)
  checkKey(key)
  return [key, text.slice(at + 1)]
}

function checkKey(key: string): void {
  if (!isKey(key)) throw new PilotError('USAGE', `${key} cannot be the name of a variable: letters, digits and underscores, not beginning with a digit.`)
}

export const isKey = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text)
