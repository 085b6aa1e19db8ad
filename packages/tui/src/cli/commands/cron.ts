import { PilotError } from '@pilot/core/errors'
import type { ScheduledRunView, ScheduleView } from '@pilot/server/contract'
import { appArgument, defineCommand, flag, value } from '../command.ts'
import { plainOutput } from '../command-streams.ts'
import type { CommandContext } from '../context.ts'
import { findTarget, refuseUnknownApp, resolveApp, type AppTarget } from '../target.ts'
import { clean, cleanLine, safeJson } from '../text/clean.ts'
import { scheduleNames, schedulesText } from '../schedules-text.ts'
import { runsText } from '../runs-text.ts'
import { untilInterrupt } from '../until-interrupt.ts'

const ofApp = 'The app is found by the name of the job; `--app` says which where several have one of that name.'

export const cron = defineCommand({
  name: 'cron',
  summary: 'List what runs on a schedule, and what became of it',
  description: ['The jobs below `cron:` of pilot.yaml and scheduled backups, as they are live: a release or rollback changes them, a stopped app has none. They run while the server of this home does.', '`cron run NAME` runs one now, `cron history` lists the runs, `cron logs NAME` shows what the newest one printed.'],
  arguments: [appArgument],
  examples: [
    { run: 'cron', summary: 'all schedules of the project' },
    { run: 'cron api --json', summary: 'of one app, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const target = await findTarget(context, args[0])
    const client = await context.client()
    const found = await client.request('schedules', { query: { ...target, ...platformOf(context) }, signal: context.signal })
    if (found.schedules.length === 0 && target.app !== undefined) await refuseUnknownApp(context, target.app)
    await context.output.answer(found, () => schedulesText(found.schedules, { style: context.output.out, now: Date.now() }))
  },
})

export const cronRun = defineCommand({
  name: 'cron run',
  summary: 'Run a cron job now',
  description: ['Beside its schedule, as what is live has it. What it writes comes as it is written, its exit code is that of this command, and Ctrl-C ends it. It stands in `cron history`, and its output in `cron logs`.', ofApp],
  arguments: [{ name: '<NAME>', summary: 'The job, as `cron` lists it.' }],
  examples: [{ run: 'cron run report', summary: 'does not wait for its time' }],
  type: 'query',
  needsServer: true,
  async run(context, { args: [name] }) {
    const { params, query } = await targetOf(context, name!, 'cron')
    const client = await context.client()
    const { output } = context
    let code = 0
    const interrupted = await untilInterrupt(context, async (signal) => {
      code = await client.command('runCron', { ...params, name: name! }, {
        query,
        body: {},
        signal,
        output: plainOutput(context),
      })
      if (output.json) await output.raw(`${safeJson({ exitCode: code })}\n`)
    })
    return interrupted === 0 ? code : interrupted
  },
})

export const cronHistory = defineCommand({
  name: 'cron history',
  summary: 'List the runs of cron jobs, newest first',
  description: ['Of each schedule the newest 50 runs are kept with their output, and as many times at which it did not run. A run that `missed` its time was due while no server ran; one that was `skipped`, while the one before still ran; one that was `interrupted` ended with its server, and is not run again.', ofApp],
  arguments: [{ name: '[NAME]', summary: 'Of this job; default: of all of the app.' }],
  options: [{ flags: '-n, --limit <count>', summary: 'How many; default: 20.' }],
  examples: [
    { run: 'cron history', summary: 'of the only app' },
    { run: 'cron history report -n 50', summary: 'of one job' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args: [name], options }) {
    const limit = Number(value(options, 'limit') ?? 20)
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new PilotError('USAGE', `--limit wants a whole number from 1 to 1000, not ${value(options, 'limit')}.`)
    const { params, query } = name === undefined ? await resolveApp(context, undefined) : await targetOf(context, name)
    const found = await (await context.client()).request('runs', { params, query: { ...query, limit, ...(name === undefined ? {} : { name }) }, signal: context.signal })
    if (name !== undefined && found.runs.length === 0) await refuseUnknownJob(context, { params, query }, name)
    await context.output.answer(found, () => runsText(found.runs, { style: context.output.out, now: Date.now() }))
  },
})

export const cronLogs = defineCommand({
  name: 'cron logs',
  summary: 'Print what a run of a cron job wrote',
  description: ['Of what is long the beginning and the end; secrets of the app are left out.', ofApp],
  arguments: [{ name: '<NAME>', summary: 'The job: its newest run.' }, { name: '[RUN]', summary: 'Another run, as `cron history` lists it.' }],
  options: [{ flags: '-f, --follow', summary: 'Go on until the run ends.' }],
  examples: [
    { run: 'cron logs report', summary: 'why it failed at night' },
    { run: 'cron logs report -f', summary: 'while it runs' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args: [name, wanted], options }) {
    const { params: app, query } = await targetOf(context, name!)
    const client = await context.client()
    const { runs } = await client.request('runs', { params: app, query: { ...query, name: name!, limit: 1000 }, signal: context.signal })
    const run = wanted === undefined ? runs.find(hasRun) : runs.find(({ id }) => id === wanted)
    if (runs.length === 0) await refuseUnknownJob(context, { params: app, query }, name!)
    if (run === undefined) throw new PilotError('NOT_FOUND', wanted === undefined ? `${name} has not run yet.` : `${name} has no run ${wanted}.`, { suggestion: '`cron history` lists the runs.' })
    if (run.operation !== undefined) context.say(`This run is the operation ${run.operation}: \`jobs\` shows it.`)
    return await untilInterrupt(context, async (signal) => {
      for await (const { text } of client.runLog({ app, run: run.id }, { follow: flag(options, 'follow'), signal })) await context.output.raw(context.output.json ? `${safeJson({ run: run.id, text })}\n` : clean(text))
    })
  },
})

/** A time that was left out printed nothing. */
const hasRun = ({ state }: ScheduledRunView): boolean => state !== 'skipped' && state !== 'missed'

const platformOf = ({ globals }: CommandContext): { platform?: string } => (globals.platform === undefined ? {} : { platform: globals.platform })

/** The app that has a schedule of this name; where none or several have, the one that is named. */
async function targetOf(context: CommandContext, name: string, type?: ScheduleView['type']): Promise<AppTarget> {
  if (context.globals.app !== undefined) return await resolveApp(context, undefined)
  const { environment = 'production', ...target } = await findTarget(context, undefined)
  const { schedules } = await (await context.client()).request('schedules', { query: { ...target, environment, ...platformOf(context) }, signal: context.signal })
  const found = schedules.filter((each) => each.name === name && (type === undefined || each.type === type))
  const [only, another] = found
  if (only !== undefined && another === undefined) return { params: only.app, query: { platform: only.platform } }
  if (another !== undefined) throw new PilotError('ANSWER_NEEDED', `Several apps have a job ${name}: ${found.map(({ app }) => cleanLine(app.app)).join(', ')}.`, { suggestion: 'Name the app with `--app`.' })
  if (type === undefined || schedules.length === 0) return await resolveApp(context, undefined)
  throw unknownJob(name, schedules)
}

/** A job without any run may have another name; one that is no longer in the manifest has runs. */
async function refuseUnknownJob(context: CommandContext, { params, query }: AppTarget, name: string): Promise<void> {
  const { schedules } = await (await context.client()).request('schedules', { query: { ...params, ...query }, signal: context.signal })
  if (!schedules.some((each) => each.name === name)) throw unknownJob(name, schedules)
}

function unknownJob(name: string, schedules: readonly ScheduleView[]): PilotError {
  const jobs = schedules.filter(({ type }) => type === 'cron')
  const isBackup = schedules.some((each) => each.name === name && each.type === 'backup')
  return new PilotError('NOT_FOUND', `There is no cron job ${cleanLine(name)}.`, {
    reason: isBackup ? `${cleanLine(name)} is the scheduled backup.` : jobs.length === 0 ? 'There is none.' : `There is ${scheduleNames(jobs)}.`,
    suggestion: isBackup ? '`db backup` makes one now.' : '`cron` lists what runs on a schedule.',
  })
}
