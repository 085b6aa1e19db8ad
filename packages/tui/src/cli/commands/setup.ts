import { errorFromBody, PilotError } from '@pilot/core/errors'
import type { PlatformPlan, Provider } from '@pilot/server/contract'
import { common, defineCommand, flag, value, values, type Options } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { printFindings } from '../findings.ts'
import { runOperation } from '../operation.ts'
import type { WantedPlatform } from '../platform-file.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { plural } from '../text/units.ts'

export const setup = defineCommand({
  name: 'setup',
  summary: 'Create a platform, or list the providers',
  description: ['Checks what is needed, shows what it creates and what that costs in a month, and then creates it. Run again it goes on where it stopped, and changes nothing that is as it should be.', 'Without a provider it lists those that are installed, third-party ones included.'],
  arguments: [{ name: '[PROVIDER]', summary: '`local`, or another that is installed.' }],
  options: [
    { flags: '--name <name>', summary: 'The platform\'s name; default: the provider\'s.' },
    { flags: '--runtime <runtime>', summary: 'local: run apps in Docker or as processes; default: Docker where it is installed. Can be changed while no app is deployed.', choices: ['docker', 'process'] },
    { flags: '--acme <authority>', summary: 'local: who issues certificates for domains: letsencrypt, letsencrypt-staging, or the https address of an ACME directory; naming one accepts its terms. Default: the authority of this home.' },
    { flags: '-f, --file <file>', summary: 'Provider, name and settings from a file such as platform.yaml, instead of options.' },
    { flags: '--export', summary: 'Print a platform that is there as such a file, and change nothing.' },
    { flags: '--set <key=value>', summary: 'Any other setting of the provider; may be repeated.', repeats: true },
    common.plan,
    common.yes,
  ],
  without: ['app', 'project', 'environment', 'platform'],
  examples: [
    { run: 'setup', summary: 'which providers there are' },
    { run: 'setup local --plan', summary: 'what would be created on this machine' },
    { run: 'setup local --runtime process', summary: 'without Docker' },
    { run: 'setup local --acme letsencrypt', summary: 'on a server, with public certificates' },
    { run: 'setup --export > platform.yaml', summary: 'the platform as a file' },
    { run: 'setup --file platform.yaml --plan', summary: 'what that file would change' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    if (flag(options, 'export')) return await exportPlatform(context, { provider: args[0], name: value(options, 'name') })
    const wanted = await wantedPlatform(context, { provider: args[0], options })
    if (wanted === undefined) return await listProviders(context)
    const { request, invalid } = wanted
    const client = await context.client()
    const plan = await client.request('planPlatform', { body: request, signal: context.signal, timeoutMs: 120_000 }).catch((error: unknown) => {
      throw invalid?.(error) ?? error
    })
    if (flag(options, 'plan')) return showPlan(context, plan)

    const { output } = context
    const creates = plan.changes.filter(({ action }) => action !== 'keep')
    printFindings(plan.findings.filter(({ status }) => status === 'warning'), { style: output.err, form: context.form, print: output.progress })
    if (plan.problem !== undefined) throw errorFromBody(plan.problem)
    if (creates.length > 0) output.progress(planText(plan, output.err))
    // What costs money or is open to the internet is created only after a yes; this machine costs nothing.
    if (plan.monthly > 0 || creates.some(({ exposure }) => exposure?.some(({ to }) => to === 'internet'))) await agree(context, plan, flag(options, 'yes'))
    const result = await runOperation(context, { action: 'setup', ...request, ...(plan.hash === undefined ? {} : { plan: plan.hash }) })
    if (result.outcome === 'done') context.say(`Platform ${plan.platform.name} is ready. \`up DIR\` deploys a folder to it.`)
    return result.exit
  },
})

export async function listProviders(context: CommandContext): Promise<number> {
  const { providers } = await (await context.client()).request('providers', { query: { check: true }, signal: context.signal, timeoutMs: 60_000 })
  await context.output.answer({ providers }, () => providersText(providers, context.output.out))
  context.say('`setup PROVIDER` creates a platform.')
  return 0
}

async function providersText(providers: readonly Provider[], style: Style): Promise<string> {
  const { table } = await import('../text/table.ts')
  return table(
    ['PROVIDER', 'WHAT IT IS', 'PACKAGE', 'STATE'],
    providers.map(({ name, title, package: from, version, unusable, findings }) => [cleanLine(name), cleanLine(title), `${cleanLine(from)} ${cleanLine(version)}`, unusable !== undefined ? style.bad(cleanLine(unusable)) : stateText(findings, style)]),
    { heading: style.dim, width: style.width },
  )
}

function stateText(findings: Provider['findings'], style: Style): string {
  if (findings === undefined) return ''
  const problems = findings.filter(({ status }) => status === 'problem').length
  return problems === 0 ? style.ok('ready') : style.warn(`${plural(problems, 'problem')}; see doctor`)
}

function showPlan(context: CommandContext, plan: PlatformPlan): number {
  context.output.document(plan)
  printFindings(plan.findings.filter(({ status }) => status !== 'ok'), { style: context.output.err, form: context.form, print: context.output.progress })
  context.output.result(planText(plan, context.output.out))
  return 0
}

function planText({ platform, changedSettings = [], changes, monthly }: PlatformPlan, style: Style): string {
  const shown = changes.filter(({ action }) => action !== 'keep')
  const settings = changedSettings.map(({ name, from, to }) => `  ${style.warn('~')} ${cleanLine(`${name}  ${String(from)} → ${String(to)}`)}`)
  if (shown.length === 0 && settings.length > 0) return [`Platform ${style.strong(cleanLine(platform.name))} (${cleanLine(platform.provider)}): ${plural(settings.length, 'change')}`, ...settings].join('\n')
  if (shown.length === 0) return `Platform ${cleanLine(platform.name)} is as it should be: nothing to do.`
  const mark = { create: style.ok('+'), update: style.warn('~'), replace: style.warn('±'), delete: style.bad('-'), keep: ' ' }
  const width = Math.max(...shown.map(({ key }) => key.length))
  const lines = shown.map((change) => {
    const cost = change.monthly === undefined ? (change.unpriced === undefined ? '' : `price unknown: ${cleanLine(change.unpriced)}`) : change.monthly === 0 ? '' : money(change.monthly)
    const open = (change.exposure ?? []).filter(({ to }) => to !== 'machine').map(({ what, to }) => `${cleanLine(what)} is open to the ${to}`)
    return `  ${mark[change.action]} ${cleanLine(change.key).padEnd(width)}  ${[cleanLine(change.kind), cost, ...open, cleanLine(change.reason ?? '')].filter((part) => part !== '').join('  ')}`.trimEnd()
  })
  const unpriced = shown.filter((change) => change.unpriced !== undefined).length
  const sum = monthly === 0 ? 'Costs nothing' : `${money(monthly)} a month`
  return [`Platform ${style.strong(cleanLine(platform.name))} (${cleanLine(platform.provider)}): ${plural(shown.length + settings.length, 'change')}`, ...settings, ...lines, `${sum}${unpriced > 0 ? `, and ${plural(unpriced, 'resource')} without a price` : ''}.`].join('\n')
}

async function agree(context: CommandContext, plan: PlatformPlan, yes: boolean): Promise<void> {
  if (yes) return
  const agreed = await context.ask.confirm({ message: `Create this for about ${money(plan.monthly)} a month?`, flag: '--yes' })
  if (!agreed) throw new PilotError('CANCELLED', 'Nothing was created.', { suggestion: 'Run the command again when you are ready.' })
}

/** By the options or by a file; undefined where neither says anything. */
async function wantedPlatform(context: CommandContext, { provider, options }: { provider: string | undefined; options: Options }): Promise<WantedPlatform | undefined> {
  const [name, file] = [value(options, 'name'), value(options, 'file')]
  if (file === undefined) return provider === undefined ? undefined : { request: { provider, settings: settingsOf(options), ...(name === undefined ? {} : { name }) } }
  const besides = [...(provider === undefined ? [] : [provider]), ...(['name', 'runtime', 'acme', 'set'] as const).filter((each) => value(options, each) !== undefined || values(options, each).length > 0).map((each) => `--${each}`)]
  if (besides.length > 0) throw new PilotError('USAGE', `--file says all of the platform, so ${besides.join(', ')} cannot stand beside it.`, { suggestion: 'Write it into the file.' })
  const { readPlatformFile } = await import('../platform-file.ts')
  return await readPlatformFile(context, file)
}

async function exportPlatform(context: CommandContext, { provider, name }: { provider: string | undefined; name: string | undefined }): Promise<number> {
  const { exportedPlatform } = await import('../platform-file.ts')
  const { document, text } = await exportedPlatform(context, name ?? provider)
  context.output.document(document)
  context.output.result(text.trimEnd())
  return 0
}

function settingsOf(options: Options): Record<string, unknown> {
  const [runtime, acme] = [value(options, 'runtime'), value(options, 'acme')]
  return { ...Object.fromEntries(values(options, 'set').map(settingOf)), ...(runtime === undefined ? {} : { runtime }), ...(acme === undefined ? {} : { acme }) }
}

/** `key=value`; true, false and numbers are taken as such, everything else as text. */
function settingOf(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1) throw new PilotError('USAGE', `--set ${text} is not of the form KEY=VALUE.`)
  const written = text.slice(at + 1)
  return [text.slice(0, at), written === 'true' ? true : written === 'false' ? false : /^-?\d+(\.\d+)?$/.test(written) ? Number(written) : written]
}

const money = (usd: number): string => `$${usd.toFixed(2)}`
