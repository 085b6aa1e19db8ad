import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { printUrl } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag, values } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { planImport, type ImportLine, type ImportPlan } from '../env-import.ts'
import { readDotenv } from '../../import/dotenv.ts'
import { runOperation } from '../operation.ts'
import { confirmProtected } from '../protect.ts'
import { announce, appTarget, chooseApp, resolveProject, type AppTarget } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { fileProblem } from '../text/file-problem.ts'
import { plural } from '../text/units.ts'

export const envImport = defineCommand({
  name: 'env import',
  summary: 'Set environment variables from a dotenv file',
  description: [
    'Shows what would change and asks. Names that are not in the file stay as they are. A line that cannot be read is named by its number, and nothing is changed.',
    'What looks like a secret is named; --secrets puts it into the secret store instead.',
  ],
  arguments: [appArgument, { name: '<FILE>', summary: 'A dotenv file (KEY=VALUE lines); - reads standard input.' }],
  options: [{ flags: '--secrets <names>', summary: 'Names, separated by commas, that become secrets.', repeats: true }, common.plan, common.stage, common.yes],
  examples: [
    { run: 'env import .env', summary: 'shows the changes, then asks' },
    { run: 'env import api .env.production --secrets JWT_KEY,SMTP_PASSWORD --yes', summary: 'two of them as secrets, without a question' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, file] = args.length === 2 ? [args[0], args[1]!] : [undefined, args[0]!]
    const named = file === '-' ? 'standard input' : file
    const { entries, notes } = readDotenv({ text: await textOf(context, file), file: named })
    if (entries.length === 0) throw new PilotError('USAGE', `${named} holds no variables.`, { suggestion: 'Lines have the form KEY=VALUE.' })
    const secrets = values(options, 'secrets').flatMap((names) => names.split(',')).map((name) => name.trim()).filter((name) => name !== '')
    const missing = secrets.filter((name) => !entries.some((entry) => entry.name === name))
    if (missing.length > 0) throw new PilotError('USAGE', `--secrets names ${missing.join(', ')}, and ${named} does not have ${missing.length === 1 ? 'it' : 'them'}.`, { suggestion: 'Nothing was changed.' })
    const empty = entries.filter(({ name, value }) => secrets.includes(name) && value === '').map(({ name }) => name)
    if (empty.length > 0) throw new PilotError('USAGE', `${empty.join(', ')} ${empty.length === 1 ? 'has' : 'have'} no value in ${named}, and a secret needs one.`, { suggestion: 'Nothing was changed.' })

    const project = await resolveProject(context)
    const target = appTarget(project, await chooseApp(context, project, app))
    await announce(context, { ...target.params, platform: target.query.platform })
    const client = await context.client()
    const env = await client.request('env', { params: target.params, query: target.query, signal: context.signal })
    const plan = planImport({ entries, env, secrets })
    if (plan.conflicts.length > 0) throw new PilotError('USAGE', `${plan.conflicts.join(', ')} of ${target.params.app} ${plan.conflicts.length === 1 ? 'is a secret' : 'are secrets'} already, and would hide what ${named} says.`, { suggestion: `Add \`--secrets ${plan.conflicts.join(',')}\` to replace the secret, or take the line out of ${named}. Nothing was changed.` })

    await show(context, { plan, notes })
    const [variables, stored] = [Object.keys(plan.set).length, Object.keys(plan.secrets).length]
    if (variables + stored === 0) return finish(context, { plan, changed: false, say: 'Nothing changes.' })
    if (flag(options, 'plan')) return finish(context, { plan, changed: false, say: 'Nothing was changed.' })

    const stage = flag(options, 'stage')
    const yes = flag(options, 'yes')
    const asked = stage ? false : await confirmProtected(context, { project, yes, what: 'env import' })
    const what = [...(variables > 0 ? [`set ${plural(variables, 'variable')}`] : []), ...(stored > 0 ? [`store ${plural(stored, 'secret')}`] : [])].join(' and ')
    if (!yes && !asked && !(await context.ask.confirm({ message: `${what[0]!.toUpperCase()}${what.slice(1)} of ${target.params.app}?`, flag: '--yes', initial: plan.exposed.length === 0 }))) throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
    return await apply(context, { target, plan, stage })
  },
})

/** Secrets first: the release that follows has both. */
async function apply(context: CommandContext, { target, plan, stage }: { target: AppTarget; plan: ImportPlan; stage: boolean }): Promise<number> {
  const names = Object.keys(plan.secrets)
  if (names.length > 0) {
    await (await context.client()).request('putSecrets', { ...target, body: { values: { ...plan.secrets } } })
    context.say(`Stored ${names.join(', ')}.`)
  }
  const result = await runOperation(context, { action: 'configure', app: target.params, set: { ...plan.set }, unset: [...plan.unset], stage, ...target.query })
  if (result.outcome === 'done' && stage) context.say('Kept for the next `up`.')
  printUrl(context, result)
  return result.exit
}

async function show(context: CommandContext, { plan, notes }: { plan: ImportPlan; notes: readonly string[] }): Promise<void> {
  if (context.output.json || context.output.quiet) return
  const { err } = context.output
  const shown = plan.lines.filter(({ change }) => change !== 'unchanged')
  const same = plan.lines.length - shown.length
  if (shown.length > 0) {
    const { table } = await import('../text/table.ts')
    const mark = { new: err.ok('+'), changed: err.warn('~'), 'left out': err.dim('-'), unchanged: '' }
    for (const line of table(['', 'KEY', 'VALUE', ''], shown.map((line) => [mark[line.change], line.name, valueText(line, err.symbol.arrow), line.note ?? '']), { heading: err.dim, width: err.width, whole: ['KEY', 'VALUE'] }).split('\n')) context.say(line)
  }
  if (same > 0) context.say(err.dim(`${plural(same, 'value is', 'values are')} the same already.`))
  for (const note of notes) context.say(`${err.warn(err.symbol.warn)} ${cleanLine(note)}`)
  for (const { name, secretive } of plan.lines.filter(({ name }) => plan.exposed.includes(name))) context.say(`${err.warn(err.symbol.warn)} ${name} looks like a secret (${secretive}), and variables are stored in the clear.`)
  if (plan.exposed.length > 0) context.say(`  Instead: \`--secrets ${plan.exposed.join(',')}\` here, or leave ${plan.exposed.length === 1 ? 'it' : 'them'} out and use ${plan.exposed.map((name) => `\`secret set ${name}\``).join(', ')}.`)
}

function valueText({ to, value, before, secretive, change }: ImportLine, arrow: string): string {
  if (to === 'secret') return `(secret)`
  if (secretive !== undefined) return '(not shown)'
  const text = (part: string): string => (part === '' ? "''" : cleanLine(part))
  return change === 'changed' && before !== undefined ? `${text(before)} ${arrow} ${text(value)}` : text(value)
}

function finish(context: CommandContext, { plan, changed, say }: { plan: ImportPlan; changed: boolean; say: string }): number {
  context.say(say)
  const changes = plan.lines.map(({ name, change, to, secretive, note }) => ({ name, change, to, ...(secretive === undefined ? {} : { looksSecret: secretive }), ...(note === undefined ? {} : { note }) }))
  context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { changed, changes } })
  return 0
}

async function textOf(context: CommandContext, file: string): Promise<string> {
  if (file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of context.terminal.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks).toString('utf8')
  }
  const path = resolve(context.cwd, file)
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new PilotError('USAGE', `${path} cannot be read.`, { reason: fileProblem(error), suggestion: 'The last word is the file: `env import [APP] FILE`.' })
  })
}
