import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { ChannelInput, ChannelList } from '@pilot/server/contract'
import { common, defineCommand, flag, value, values, type CommandInput, type Options } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { cleanLine } from '../text/clean.ts'
import { fileProblem } from '../text/file-problem.ts'
import type { Style } from '../text/style.ts'
import { ago } from '../text/units.ts'

const topics = ['failed', 'unhealthy', 'certificate', 'disk'] as const
const nameArgument = { name: '<NAME>', summary: 'The name of the channel.' }
const target = (context: CommandContext): { readonly platform?: string } => (context.globals.platform === undefined ? {} : { platform: context.globals.platform })

export const notificationsAdd = defineCommand({
  name: 'notifications add',
  summary: 'Tell somebody of failures: by webhook, e-mail or a command',
  description: [
    'Topics are failed (an operation or a scheduled run failed), unhealthy (an app is down for a minute, and when it has recovered), certificate (one expires or cannot be had) and disk (nearly full).',
    'The address of a webhook opens it, so it is a secret like the password for mail: it is asked for, or read from standard input or a file, and never an argument. A command runs on the machine of the server as its user, with the notice in PILOT_ variables and as JSON on its standard input.',
    'With -p or -e only what is about that project or environment. A channel of the same name is replaced.',
  ],
  arguments: [{ name: '<TYPE>', summary: 'webhook, email or command.' }, nameArgument],
  options: [
    { flags: '--topic <topic>', summary: 'Only this; may be given several times.', choices: topics, repeats: true },
    { flags: '--format <format>', summary: 'Of a webhook: json (default), or slack for incoming webhooks of Slack and what follows it.', choices: ['json', 'slack'] },
    { flags: '--to <address>', summary: 'For mail: whom; may be given several times.', repeats: true },
    { flags: '--from <address>', summary: 'For mail: the sender.' },
    { flags: '--smtp <host:port>', summary: 'For mail: the server that takes it; port 587 when left out.' },
    { flags: '--user <name>', summary: 'For mail: the login; its password is asked for.' },
    { flags: '--ca-file <path>', summary: 'For mail: who signed the server\'s certificate, as PEM, where that is no public authority.' },
    { flags: '--plain', summary: 'For mail: without TLS.' },
    { flags: '--from-file <path>', summary: 'The address of the webhook, or the password, is in this file.' },
  ],
  takesCommand: 'optional',
  without: ['app'],
  examples: [
    { run: 'notifications add webhook chat --format slack', summary: 'asks for the address, and shows nothing of it' },
    { run: 'notifications add webhook pager --topic unhealthy -p shop --from-file pager.url', summary: 'for one project, from a file' },
    { run: 'notifications add email ops --to ops@example.org --from pilot@example.org --smtp mail.example.org:587 --user pilot', summary: 'by mail' },
    { run: 'notifications add command script -- ./notify.sh', summary: 'a program of your own' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const [type = '', name = ''] = input.args
    if (!['webhook', 'email', 'command'].includes(type)) throw new PilotError('USAGE', `There is no channel of the type ${type}.`, { suggestion: 'The types are webhook, email and command: `notifications add webhook NAME`.' })
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) throw new PilotError('USAGE', name === '' ? 'The channel needs a name.' : `${name} cannot be the name of a channel.`, { suggestion: 'Lower case letters, digits and hyphens: `notifications add webhook chat`.' })
    const body = await channelOf(context, type as ChannelInput['type'], input)
    const { channel, signingKey } = await (await context.client()).request('putNotificationChannel', { params: { name }, query: target(context), body, signal: context.signal })
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { channel, ...(signingKey === undefined ? {} : { signingKey }) } })
    context.say(`${name} is told from now on: ${cleanLine(channel.what)}. \`notifications test ${name}\` sends a test.`)
    if (signingKey !== undefined && !context.output.json) {
      context.say('Requests are signed with this key, which is shown only now:')
      context.output.result(signingKey)
    }
  },
})

export const notificationsList = defineCommand({
  name: 'notifications list',
  summary: 'List who is told of failures, and whether that works',
  without: ['app', 'project', 'environment'],
  examples: [{ run: 'notifications list', summary: 'with the last error of each' }],
  type: 'query',
  needsServer: true,
  async run(context) {
    const found = await (await context.client()).request('notificationChannels', { query: target(context), signal: context.signal })
    await context.output.answer(found, () => channelsText(found, context.output.out, Date.now()))
  },
})

export const notificationsTest = defineCommand({
  name: 'notifications test',
  summary: 'Send a test to a notification channel',
  arguments: [nameArgument],
  without: ['app', 'project', 'environment'],
  examples: [{ run: 'notifications test chat', summary: 'says why when it does not arrive' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args: [name = ''] }) {
    await (await context.client()).request('testNotificationChannel', { params: { name }, query: target(context), signal: context.signal, timeoutMs: 90_000 })
    done(context, `Sent a test to ${name}.`)
  },
})

export const notificationsRemove = defineCommand({
  name: 'notifications remove',
  summary: 'Remove a notification channel',
  arguments: [nameArgument],
  options: [common.yes],
  without: ['app', 'project', 'environment'],
  examples: [{ run: 'notifications remove chat', summary: 'what waits for it is dropped' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args: [name = ''], options }) {
    if (!flag(options, 'yes') && !(await context.ask.confirm({ message: `Remove the notification channel ${name}?`, flag: '--yes' }))) throw new PilotError('CANCELLED', 'Nothing was removed.')
    await (await context.client()).request('removeNotificationChannel', { params: { name }, query: target(context), signal: context.signal })
    done(context, `Removed ${name}.`)
  },
})

function done(context: CommandContext, text: string): void {
  context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done' })
  context.say(text)
}

/** Which options belong to which type, so that one that would do nothing is refused. */
const optionsOf: Readonly<Record<ChannelInput['type'], readonly string[]>> = { webhook: ['format', 'fromFile'], email: ['to', 'from', 'smtp', 'user', 'caFile', 'plain', 'fromFile'], command: [] }

async function channelOf(context: CommandContext, type: ChannelInput['type'], { options, command }: CommandInput): Promise<ChannelInput> {
  const { project, environment } = context.globals
  const wanted = values(options, 'topic') as (typeof topics)[number][]
  const filters = { ...(wanted.length === 0 ? {} : { topics: wanted }), ...(project === undefined ? {} : { project }), ...(environment === undefined ? {} : { environment }) }
  const foreign = Object.values(optionsOf).flat().find((name) => !optionsOf[type].includes(name) && isGiven(options, name))
  if (foreign !== undefined) throw new PilotError('USAGE', `--${foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} means nothing for a ${type} channel.`)
  if (type !== 'command' && command.length > 0) throw new PilotError('USAGE', `A ${type} channel runs no command.`, { suggestion: '`notifications add command NAME -- COMMAND` does.' })
  switch (type) {
    case 'webhook':
      return { type, format: value(options, 'format') === 'slack' ? 'slack' : 'json', secret: await readSecret(context, 'Address of the webhook', options), ...filters }
    case 'email':
      return { type, ...(await mailOf(context, options)), ...filters }
    case 'command': {
      const [program = '', ...args] = command
      if (program === '') throw new PilotError('USAGE', 'There is no command.', { suggestion: 'It stands after --: `notifications add command script -- ./notify.sh`.' })
      // What is a path here must be one for the server too.
      return { type, command: [program.includes('/') ? resolve(context.cwd, program) : program, ...args], ...filters }
    }
  }
}

async function mailOf(context: CommandContext, options: Options): Promise<Omit<Extract<ChannelInput, { type: 'email' }>, 'type'>> {
  const [to, from, smtp, user, caFile] = [values(options, 'to'), value(options, 'from'), value(options, 'smtp'), value(options, 'user'), value(options, 'caFile')]
  if (to.length === 0 || from === undefined || smtp === undefined) throw new PilotError('USAGE', 'Mail needs --to, --from and --smtp.', { suggestion: '`notifications add email ops --to ops@example.org --from pilot@example.org --smtp mail.example.org:587 --user pilot`' })
  const [, host, port = '587'] = /^(\[[0-9a-f:]+\]|[^\s:/]+)(?::(\d{1,5}))?$/i.exec(smtp) ?? []
  if (host === undefined) throw new PilotError('USAGE', `--smtp wants a host and a port, not ${smtp}.`, { suggestion: 'For example mail.example.org:587.' })
  const ca = caFile === undefined ? undefined : (await readText(context, caFile, '--ca-file')).trim()
  const secret = user === undefined ? undefined : await readSecret(context, `Password of ${user} on ${host}`, options)
  return { to: [...to], from, host: host.replace(/^\[|\]$/g, ''), port: Number(port), plain: flag(options, 'plain'), ...(user === undefined ? {} : { user }), ...(secret === undefined ? {} : { secret }), ...(ca === undefined ? {} : { ca }) }
}

async function readSecret(context: CommandContext, message: string, options: Options): Promise<string> {
  const file = value(options, 'fromFile')
  const { stdin } = context.terminal
  let text = ''
  if (file !== undefined) text = await readText(context, file, '--from-file')
  else if (stdin.isTTY === true) text = await context.ask.secret({ message, flag: '--from-file PATH' })
  else for await (const chunk of stdin) text += Buffer.from(chunk as Uint8Array).toString('utf8')
  if (text.trim() === '') throw new PilotError('USAGE', `${message}: it is empty.`, { suggestion: 'Type it when asked, pipe it in, or name a file with --from-file.' })
  return text.trim()
}

async function readText(context: CommandContext, file: string, option: string): Promise<string> {
  const path = resolve(context.cwd, file)
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new PilotError('USAGE', `${path} cannot be read.`, { reason: fileProblem(error), suggestion: `Check the path given to ${option}.` })
  })
}

const isGiven = (options: Options, name: string): boolean => value(options, name) !== undefined || flag(options, name) || values(options, name).length > 0

async function channelsText({ channels, damaged = [] }: ChannelList, style: Style, now: number): Promise<string> {
  const lost = damaged.map(({ name, problem }) => `${style.bad(`${cleanLine(name)} cannot be read`)}: ${cleanLine(problem).replace(/\.?$/, '.')} \`notifications add\` makes it again, \`notifications remove ${cleanLine(name)}\` removes it.`)
  if (channels.length === 0) return [...lost, 'Nobody is told of failures. `notifications add` changes that.'].join('\n')
  const { table } = await import('../text/table.ts')
  const rows = channels.map(({ name, type, what, last, waiting, failed, topics: wanted, project, environment }) => [
    cleanLine(name),
    type,
    cleanLine(what),
    cleanLine([...(wanted ?? ['all']), ...(project === undefined ? [] : [`-p ${project}`]), ...(environment === undefined ? [] : [`-e ${environment}`])].join(' ')),
    last === undefined ? 'nothing sent yet' : last.ok ? style.ok(`sent ${ago(last.at, now)}`) : style.bad(`failed ${ago(last.at, now)}: ${cleanLine(last.error ?? '')}`),
    [...(waiting > 0 ? [`${waiting} waiting`] : []), ...(failed > 0 ? [`${failed} given up`] : [])].join(', '),
  ])
  return [table(['NAME', 'TYPE', 'TO', 'TOPICS', 'LAST', 'OPEN'], rows, { heading: style.dim, width: style.width, whole: ['NAME'] }), ...lost].join('\n')
}
