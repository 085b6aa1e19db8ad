import { PilotError } from '@pilot/core/errors'
import type { EnvDiff, EnvHistory } from '@pilot/server/contract'
import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago } from '../text/units.ts'
import { sourceTitle } from './env.ts'

export const envHistory = defineCommand({
  name: 'env history',
  summary: 'List the versions of an app\'s configuration',
  description: ['Every change makes a version: `env set`, `secret set`, another manifest at `up`, a rollback after a secret changed. + was added, ~ changed, - went away; the star is what runs.'],
  arguments: [appArgument],
  examples: [{ run: 'env history', summary: 'who changed what, and when' }],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const history = await (await context.client()).request('envHistory', { params, query, signal: context.signal })
    await context.output.answer(history, () => historyText(history, { style: context.output.out, now: Date.now() }))
  },
})

export const envDiff = defineCommand({
  name: 'env diff',
  summary: 'Show what differs between two versions of a configuration',
  description: ['Without versions: from what runs to what the next release gets. With one: from that to the next release. `next` may stand for a version. Of secrets the version is shown, never the value.'],
  arguments: [appArgument, { name: '[A]', summary: 'A version, as `env history` numbers them.' }, { name: '[B]', summary: 'Another one.' }],
  examples: [
    { run: 'env diff', summary: 'what waits for the next release' },
    { run: 'env diff api 3 5', summary: 'between two versions' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { app, versions } = splitVersions(args, 2)
    const [from, to] = versions
    const { params, query } = await resolveApp(context, app)
    const diff = await (await context.client()).request('envDiff', { params, query: { ...query, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }, signal: context.signal })
    await context.output.answer(diff, () => diffText(diff, context.output.out))
  },
})

export const envRestore = defineCommand({
  name: 'env restore',
  summary: 'Go back to the values of an earlier version',
  description: [
    'Makes a new version that equals the older one and releases it at once without a build, after the health check, unless --stage is given. Secrets stay as they are today.',
    'Values of pilot.yaml come back too; the next `up` reads the file again.',
  ],
  arguments: [appArgument, { name: '<N>', summary: 'The version, as `env history` numbers them.' }],
  options: [common.stage, common.yes],
  examples: [{ run: 'env restore 3', summary: 'as it was in version 3' }],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const { app, versions } = splitVersions(input.args, 1)
    const [restore] = versions
    if (typeof restore !== 'number') throw new PilotError('USAGE', 'env restore wants the number of a version.', { suggestion: '`env history` lists them.' })
    const stage = flag(input.options, 'stage')
    const result = await runAppOperation(context, { app, request: { action: 'configure', restore, stage }, yes: flag(input.options, 'yes'), protect: !stage })
    if (result.outcome === 'done' && stage) context.say('Kept for the next `up`.')
    printUrl(context, result)
    return result.exit
  },
})

export async function historyText({ versions }: EnvHistory, { style, now }: { style: Style; now: number }): Promise<string> {
  if (versions.length === 0) return 'No versions yet: the first `env set` or `up` makes one.'
  const { table } = await import('../text/table.ts')
  const rows = versions.map(({ version, released, at, by, changes, derivedFrom, restoredFrom }) => [
    `${released ? style.ok('*') : ' '} ${version}`,
    ago(at, now),
    cleanLine(by),
    changes.map(({ name, before, after }) => `${before === undefined ? '+' : after === undefined ? '-' : '~'}${cleanLine(name)}`).join(' ') || style.dim('(nothing that the app sees)'),
    derivedFrom !== undefined ? `rollback to ${derivedFrom}, with the newest secrets` : restoredFrom !== undefined ? `restored from ${restoredFrom}` : '',
  ])
  return table(['VERSION', 'WHEN', 'BY', 'CHANGED', 'NOTE'], rows, { heading: style.dim, width: style.width, whole: ['CHANGED'] })
}

async function diffText({ from, to, changes }: EnvDiff, style: Style): Promise<string> {
  const title = `${choiceTitle(from)} ${style.symbol.arrow} ${choiceTitle(to)}`
  if (changes.length === 0) return `${title}: no difference.`
  const { table } = await import('../text/table.ts')
  const rows = changes.map(({ name, before, after }) => [
    before === undefined ? style.ok('+') : after === undefined ? style.bad('-') : style.warn('~'),
    cleanLine(name),
    sideText(before),
    sideText(after),
    [...new Set([before?.source, after?.source].filter((source) => source !== undefined).map(sourceTitle))].join(` ${style.symbol.arrow} `),
  ])
  return `${title}\n${table(['', 'KEY', 'BEFORE', 'AFTER', 'SOURCE'], rows, { heading: style.dim, width: style.width, whole: ['KEY', 'BEFORE', 'AFTER'] })}`
}

type Side = EnvDiff['changes'][number]['before']

const sideText = (side: Side): string => (side === undefined ? '' : side.source === 'secret' ? `(secret, version ${side.version ?? '?'})` : side.value === '' ? "''" : cleanLine(side.value ?? ''))
const choiceTitle = (choice: number | 'next'): string => (choice === 'next' ? 'next release' : `version ${choice}`)

/** `[APP] [A] [B]` in any order: what looks like a version is one. */
function splitVersions(args: readonly string[], most: number): { app: string | undefined; versions: readonly (number | 'next')[] } {
  const deployment = args.find((arg) => /^v\d+$/.test(arg))
  if (deployment !== undefined) throw new PilotError('USAGE', `${deployment} is a deployment; versions of the configuration are plain numbers.`, { suggestion: '`env history` lists them.' })
  const isVersion = (text: string): boolean => /^\d{1,9}$/.test(text) || text === 'next'
  const versions = args.filter(isVersion)
  const names = args.filter((arg) => !isVersion(arg))
  if (versions.length > most || names.length > 1) throw new PilotError('USAGE', `One app and ${most === 1 ? 'one version' : 'two versions'} at most, not ${args.join(' ')}.`)
  return { app: names[0], versions: versions.map((text) => (text === 'next' ? text : Number(text))) }
}
