import { PilotError } from '@pilot/core/errors'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'

export const queue = defineCommand({
  name: 'queue',
  summary: 'Show the queue of a function, and what failed in it',
  description: ['How many messages wait, how many are worked on, and those that were put aside since they failed too often, each with its last error. `queue retry` tries these again, `queue purge` deletes them.'],
  arguments: [appArgument],
  examples: [
    { run: 'queue', summary: 'of the only app of the project' },
    { run: 'queue invoices --json', summary: 'with the whole messages, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const state = await client.request('queue', { params, query, signal: context.signal })
    await context.output.answer(state, () => {
      const lines = [`${state.waiting} waiting, ${state.inFlight} in flight, ${state.dead} put aside`]
      for (const { deadAt, receives, body, error } of state.deadMessages) lines.push(`  ${new Date(deadAt).toISOString()}  after ${receives} ${receives === 1 ? 'attempt' : 'attempts'}  ${short(error)}`, `    ${short(body)}`)
      return lines.join('\n')
    })
  },
})

export const queueRetry = defineCommand({
  name: 'queue retry',
  summary: 'Try messages again that failed too often',
  description: ['All that were put aside wait again, as if they had just come.'],
  arguments: [appArgument],
  examples: [{ run: 'queue retry invoices', summary: 'after the function was mended' }],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const result = await client.request('retryQueue', { params, query, signal: context.signal })
    await context.output.answer(result, () => `${messages(result.count)} tried again.`)
  },
})

export const queuePurge = defineCommand({
  name: 'queue purge',
  summary: 'Delete messages of a queue',
  description: ['Those that were put aside; with --all also those that wait. What is worked on stays.'],
  arguments: [appArgument],
  options: [{ flags: '--all', summary: 'Those that wait too.' }, common.yes],
  examples: [{ run: 'queue purge invoices --yes', summary: 'forget what failed' }],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const { params, query } = await resolveApp(context, args[0])
    if (!flag(options, 'yes')) throw new PilotError('ANSWER_NEEDED', `The messages of ${params.app} would be gone for good.`, { suggestion: 'Add `--yes` if they may go; `queue` shows them.' })
    const client = await context.client()
    const result = await client.request('purgeQueue', { params, query, body: { which: flag(options, 'all') ? 'all' : 'dead' }, signal: context.signal })
    await context.output.answer(result, () => `${messages(result.count)} deleted.`)
  },
})

const messages = (count: number): string => (count === 1 ? '1 message is' : `${count} messages are`)
const short = (text: string): string => cleanLine(text.length > 120 ? `${text.slice(0, 119)}…` : text)
