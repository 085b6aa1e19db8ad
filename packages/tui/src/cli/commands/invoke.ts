import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { appArgument, defineCommand, value, type Options } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { fileProblem } from '../text/file-problem.ts'

export const invoke = defineCommand({
  name: 'invoke',
  summary: 'Call a function with an event, and print its result',
  description: ['The live version is called as an event would call it, and what it returns is printed as JSON. When it fails, its error is printed and the exit code is 1.', 'The event is JSON: of --data, of a file, or of standard input (`--file -`); without any of them it is {}.'],
  arguments: [appArgument],
  options: [
    { flags: '--data <json>', summary: 'The event. Others on this machine can see it while the command runs.' },
    { flags: '--file <path>', summary: 'The event is in this file; - is standard input.' },
  ],
  examples: [
    { run: 'invoke invoices --data \'{"number":42}\'', summary: 'with an event' },
    { run: 'invoke --file event.json', summary: 'the only app of the project, with an event from a file' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const event = await eventFrom(context, options)
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const result = await client.request('invoke', { params, query, body: { event }, signal: context.signal })
    if ('error' in result) {
      const { type, message, trace = [] } = result.error
      if (context.output.json) await context.output.answer(result, () => '')
      else context.output.error([`${type}: ${message}`, ...trace.filter((line) => !line.includes(message))].map(cleanLine).join('\n'))
      return 1
    }
    await context.output.answer({ requestId: result.requestId, result: parse(result.payload) }, () => cleanLine(result.payload))
    return 0
  },
})

async function eventFrom(context: CommandContext, options: Options): Promise<string> {
  const data = value(options, 'data')
  const file = value(options, 'file')
  if (data !== undefined && file !== undefined) throw new PilotError('USAGE', 'Both --data and --file name an event.', { suggestion: 'Give one of them.' })
  const text = data ?? (file === undefined ? '{}' : file === '-' ? await fromStdin(context) : await fromFile(file))
  if (parse(text) === undefined) throw new PilotError('USAGE', 'The event is no JSON.', { suggestion: 'Such as --data \'{"number":42}\'.' })
  return text
}

async function fromFile(file: string): Promise<string> {
  const path = isAbsolute(file) ? file : join(process.env['INIT_CWD'] ?? process.cwd(), file)
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new PilotError('USAGE', `${path} cannot be read.`, { reason: fileProblem(error), suggestion: 'Check the path given to --file.' })
  })
}

async function fromStdin({ terminal: { stdin } }: CommandContext): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
