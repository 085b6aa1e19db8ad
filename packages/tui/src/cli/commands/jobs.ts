import type { Job } from '@pilot/server/contract'
import { appArgument, defineCommand, flag, value } from '../command.ts'
import { PilotError } from '@pilot/core/errors'
import { findTarget, refuseUnknownApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago, duration } from '../text/units.ts'

export const jobs = defineCommand({
  name: 'jobs',
  summary: 'List the jobs, newest first',
  description: ['Every operation has one job per app. A job goes on when the terminal that started it is closed.'],
  arguments: [appArgument],
  options: [
    { flags: '-n, --limit <count>', summary: 'How many; default: 20.' },
    { flags: '--all', summary: 'Jobs of every project and app of this home.' },
  ],
  without: ['platform'],
  examples: [
    { run: 'jobs', summary: 'what ran and runs in this project' },
    { run: 'jobs --all --json', summary: 'all jobs, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const limit = Number(value(options, 'limit') ?? 20)
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new PilotError('USAGE', `--limit wants a whole number from 1 to 1000, not ${value(options, 'limit')}.`)
    const target: Awaited<ReturnType<typeof findTarget>> = flag(options, 'all') ? {} : await findTarget(context, args[0])
    const client = await context.client()
    const found = await client.request('jobs', { query: { limit, ...target }, signal: context.signal })
    // What was destroyed may still have jobs.
    if (found.jobs.length === 0 && target.app !== undefined) await refuseUnknownApp(context, target.app)
    await context.output.answer(found, () => jobsText(found.jobs, context.output.out, Date.now()))
  },
})

async function jobsText(jobs: readonly Job[], style: Style, now: number): Promise<string> {
  if (jobs.length === 0) return 'No jobs yet.'
  const { table } = await import('../text/table.ts')
  return table(
    ['JOB', 'ACTION', 'APP', 'STATE', 'STARTED', 'TOOK', 'BY'],
    jobs.map((job) => [job.operation, job.action, job.app === undefined ? job.platform : `${job.app.project}/${job.app.app}`, stateText(job, style), ago(job.startedAt ?? job.createdAt, now), took(job, now), cleanLine(job.by)]),
    { heading: style.dim, width: style.width, whole: ['JOB'], cut: ['BY'] },
  )
}

function stateText(job: Job, style: Style): string {
  switch (job.state) {
    case 'done':
      return style.ok('done')
    case 'failed':
      return style.bad(`failed: ${job.error?.code ?? 'unknown'}`)
    case 'queued':
      return job.waitsFor === undefined ? 'queued' : `queued: ${cleanLine(job.waitsFor)}`
    case 'running':
      return style.accent(job.cancelRequested ? 'cancelling' : 'running')
    default:
      return job.state
  }
}

function took({ startedAt, finishedAt }: Job, now: number): string {
  return startedAt === undefined ? '' : duration((finishedAt === undefined ? now : Date.parse(finishedAt)) - Date.parse(startedAt))
}
