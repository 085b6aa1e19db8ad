import { isPilotError, PilotError } from '@pilot/core/errors'
import type { Job, Operation } from '@pilot/server/contract'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { watchOperation } from '../operation.ts'
import { announce, findTarget } from '../target.ts'

export const cancel = defineCommand({
  name: 'cancel',
  summary: 'Cancel a job that is queued or runs',
  description: ['What waits never starts; what runs ends at its next step and is cleaned up. The release that has the traffic keeps it. The command waits for that end.'],
  arguments: [{ name: '[JOB]', summary: 'As `jobs` lists it; not needed when one is under way.' }],
  without: ['platform'],
  examples: [
    { run: 'cancel', summary: 'the only one that is under way' },
    { run: 'cancel 01J9ZK3M', summary: 'a certain one' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args }) {
    const operation = await cancelOperation(context, args[0] ?? (await theOnlyOne(context)))
    await announce(context, operation)
    const { outcome } = await watchOperation(context, operation.id)
    if (outcome === 'cancelled') return 0
    if (outcome === 'done') context.say('It was done before it could be cancelled.')
    return outcome === 'detached' ? 130 : 1
  },
})

/** The id of an operation, as `jobs` prints it, or that of one of its jobs, as `jobs --json` has it too. */
async function cancelOperation(context: CommandContext, id: string): Promise<Operation> {
  const client = await context.client()
  try {
    return await client.request('cancelOperation', { params: { id }, signal: context.signal })
  } catch (error) {
    if (!isPilotError(error) || error.code !== 'NOT_FOUND') throw error
    const job = (await client.request('jobs', { query: { limit: 1000 }, signal: context.signal })).jobs.find((candidate) => candidate.id === id)
    if (job === undefined) throw error
    return await client.request('cancelOperation', { params: { id: job.operation }, signal: context.signal })
  }
}

async function theOnlyOne(context: CommandContext): Promise<string> {
  const target = await findTarget(context, undefined)
  const client = await context.client()
  const [running, queued] = await Promise.all([client.request('jobs', { query: { ...target, state: 'running' } }), client.request('jobs', { query: { ...target, state: 'queued' } })])
  const operations = [...Map.groupBy([...running.jobs, ...queued.jobs], (job) => job.operation)]
  if (operations.length === 0) throw new PilotError('NOT_FOUND', 'Nothing is under way.', { suggestion: '`jobs` lists what was.' })
  if (operations.length === 1) return operations[0]![0]
  return await context.ask.select({ message: 'Which job?', options: operations.map(([value, jobs]) => ({ value, hint: titleOf(jobs) })), flag: 'cancel JOB' })
}

const titleOf = (jobs: readonly Job[]): string => `${jobs[0]!.action} ${jobs.map(({ app, platform }) => app?.app ?? platform).join(', ')}`
