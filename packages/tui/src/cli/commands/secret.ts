import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isPilotError, PilotError } from '@pilot/core/errors'
import type { Secrets } from '@pilot/server/contract'
import { printUrl } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag, value, type CommandInput } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { runOperation } from '../operation.ts'
import { confirmProtected } from '../protect.ts'
import { announce, appTarget, chooseApp, resolveApp, resolveProject, type AppTarget } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { fileProblem } from '../text/file-problem.ts'
import type { Style } from '../text/style.ts'
import { ago } from '../text/units.ts'
import { isKey } from './env.ts'

export const secretList = defineCommand({
  name: 'secret list',
  summary: 'List an app\'s secrets, never their values',
  arguments: [appArgument],
  examples: [{ run: 'secret list', summary: 'names, versions and when each was set' }],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const secrets = await (await context.client()).request('secrets', { params, query, signal: context.signal })
    await context.output.answer(secrets, () => secretsText(secrets, context.output.out, Date.now()))
  },
})

export const secretSet = defineCommand({
  name: 'secret set',
  summary: 'Set a secret from a prompt, standard input or a file',
  description: [
    'The value is never an argument: those stand in the history of the shell and in the list of processes. Of standard input one newline at the end is left out.',
    'An app that runs is released again at once with the new value, after the health check, unless --stage is given.',
  ],
  arguments: [appArgument, { name: '<KEY>', summary: 'The name; the app finds the value in its environment under it.' }],
  options: [{ flags: '--from-file <path>', summary: 'The file\'s content is the value, byte for byte.' }, common.stage, common.yes],
  examples: [
    { run: 'secret set JWT_KEY', summary: 'asks, and shows nothing of what is typed' },
    { run: 'openssl rand -hex 32 | pilot secret set api JWT_KEY', summary: 'from another program' },
    { run: 'secret set TLS_KEY --from-file key.pem', summary: 'from a file' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const { app, key } = splitKey(input.args)
    const { target, allowed } = await begin(context, { app, input, what: `secret set ${key}` })
    const text = await readValue(context, { key, file: value(input.options, 'fromFile') })
    if (text === '') throw new PilotError('USAGE', `The value for ${key} is empty.`, { suggestion: '`secret unset` removes a secret.' })
    await (await context.client()).request('putSecrets', { ...target, body: { values: { [key]: text } } })
    context.say(`Stored ${key}.`)
    return await releaseAgain(context, { target, staged: flag(input.options, 'stage'), allowed })
  },
})

export const secretUnset = defineCommand({
  name: 'secret unset',
  summary: 'Remove a secret',
  description: ['Earlier deployments keep the version that they were made with, so that a rollback works.'],
  arguments: [appArgument, { name: '<KEY>', summary: 'The name.' }],
  options: [common.stage, common.yes],
  examples: [{ run: 'secret unset JWT_KEY', summary: 'the app runs on without it' }],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const { app, key } = splitKey(input.args)
    const { target, allowed } = await begin(context, { app, input, what: `secret unset ${key}` })
    await (await context.client()).request('removeSecret', { params: { ...target.params, name: key }, query: target.query })
    context.say(`Removed ${key}.`)
    return await releaseAgain(context, { target, staged: flag(input.options, 'stage'), allowed })
  },
})

function splitKey(args: readonly string[]): { app: string | undefined; key: string } {
  if (args.length > 2) throw new PilotError('USAGE', `One app and one key at most, not ${args.length} words.`)
  const [app, key] = args.length === 2 ? [args[0], args[1]!] : [undefined, args[0]!]
  const name = key.split('=')[0]!
  // The value itself must not be repeated here: messages end up in logs.
  if (key.includes('=')) throw new PilotError('USAGE', `The value of ${name} must not stand on the command line: others on this machine can read it there, and the shell remembers it.`, { suggestion: `\`secret set ${name}\` asks for it; or pipe it in, or use --from-file. Since it was typed in the open, a new value is better.` })
  if (!isKey(key)) throw new PilotError('USAGE', `${key} cannot be the name of a secret: letters, digits and underscores, not beginning with a digit.`)
  return { app, key }
}

async function begin(context: CommandContext, { app, input, what }: { app: string | undefined; input: CommandInput; what: string }): Promise<{ target: AppTarget; allowed: () => Promise<boolean> }> {
  const project = await resolveProject(context)
  const target = appTarget(project, await chooseApp(context, project, app))
  await announce(context, { ...target.params, platform: target.query.platform })
  if (!flag(input.options, 'stage')) await confirmProtected(context, { project, yes: flag(input.options, 'yes'), what })
  const allowed = async () => {
    try {
      const { status } = await (await context.client()).request('app', target)
      return status.release !== undefined && status.state !== 'stopped'
    } catch (error) {
      // A secret may be set before the first `up`, which wants it.
      if (isPilotError(error) && error.code === 'NOT_FOUND') return false
      throw error
    }
  }
  return { target, allowed }
}

async function readValue(context: CommandContext, { key, file }: { key: string; file: string | undefined }): Promise<string> {
  if (file !== undefined) {
    const path = resolve(context.cwd, file)
    const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new PilotError('USAGE', `${path} cannot be read.`, { reason: fileProblem(error), suggestion: 'Check the path given to --from-file.' })
    })
    return textOf(content, key)
  }
  const { stdin } = context.terminal
  if (stdin.isTTY === true) return await context.ask.secret({ message: `Value of ${key}`, flag: '--from-file PATH' })
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  return textOf(Buffer.concat(chunks), key).replace(/\r?\n$/, '')
}

/** The app finds the value in its environment, which holds text only. */
function textOf(content: Buffer, key: string): string {
  if (isUtf8(content) && !content.includes(0)) return content.toString('utf8')
  throw new PilotError('USAGE', `The value for ${key} is not text.`, { reason: 'An environment variable holds UTF-8 without zero bytes.', suggestion: `Encode it first: \`base64 FILE | pilot secret set ${key}\`, and decode it in the app.` })
}

async function releaseAgain(context: CommandContext, { target, staged, allowed }: { target: AppTarget; staged: boolean; allowed: () => Promise<boolean> }): Promise<number> {
  if (staged || !(await allowed())) {
    context.say('It takes effect with the next `up`.')
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { staged: true } })
    return 0
  }
  const result = await runOperation(context, { action: 'secret', app: target.params, ...target.query })
  printUrl(context, result)
  return result.exit
}

async function secretsText({ secrets }: Secrets, style: Style, now: number): Promise<string> {
  if (secrets.length === 0) return 'No secrets. `secret set KEY` sets one.'
  const { table } = await import('../text/table.ts')
  const rows = secrets.map(({ name, version, updatedAt, released }) => [cleanLine(name), String(version), ago(updatedAt, now), released === undefined ? '' : released ? 'yes' : style.warn('with the next release')])
  return table(['KEY', 'VERSION', 'SET', 'IN USE'], rows, { heading: style.dim, width: style.width, whole: ['KEY'] })
}
