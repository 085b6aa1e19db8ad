import { PilotError } from '@pilot/core/errors'
import type { Metrics } from '@pilot/server/contract'
import { appArgument, defineCommand, value } from '../command.ts'
import { appTarget, resolveProject } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { sparkline } from '../text/sparkline.ts'
import type { Style } from '../text/style.ts'
import { bytes, duration } from '../text/units.ts'

interface AppMetrics extends Metrics {
  readonly app: string
}

export const metrics = defineCommand({
  name: 'metrics',
  summary: 'Show requests, errors, latency, processor and memory of apps',
  description: ['Sampled every 15 seconds and kept for three hours; of the eight days before, five minutes are one sample.', 'Errors are answers with 5xx. Processor: 100 % is one of the machine.'],
  arguments: [{ ...appArgument, summary: 'The app; default: all of the project.' }],
  options: [{ flags: '--since <time>', summary: 'How far back: 15m, 2h, 7d; default: 1h.' }],
  examples: [
    { run: 'metrics', summary: 'the last hour of each app' },
    { run: 'metrics api --since 7d', summary: 'a week of one app, with how it went' },
    { run: 'metrics api --json', summary: 'every sample, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const seconds = secondsOf(value(options, 'since') ?? '1h')
    const project = await resolveProject(context)
    const wanted = args[0] ?? context.globals.app
    if (wanted === undefined && project.apps.length === 0) throw new PilotError('NOT_FOUND', `Nothing of project ${project.project} is known here.`, { suggestion: '`status` lists what is.' })
    const client = await context.client()
    const found = await Promise.all(
      (wanted === undefined ? project.apps : [wanted]).map(async (app): Promise<AppMetrics> => {
        const { params, query } = appTarget(project, app)
        return { app, ...(await client.request('metrics', { params, query: { ...query, seconds }, signal: context.signal })) }
      }),
    )
    const style = context.output.out
    await context.output.answer(wanted === undefined ? { apps: found } : { ...found[0]! }, () => (wanted === undefined ? overview(found, { style, seconds }) : detail(found[0]!, { style, seconds })))
  },
})

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const longest = 8 * 86_400

function secondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const seconds = Number(count) * (units[unit ?? ''] ?? Number.NaN)
  if (seconds > 0 && seconds <= longest) return seconds
  throw new PilotError('USAGE', `--since wants a time such as 15m, 2h or 7d, not ${text}.`, { ...(seconds > longest ? { reason: 'Samples are kept for eight days.' } : {}) })
}

async function overview(apps: readonly AppMetrics[], { style, seconds }: { style: Style; seconds: number }): Promise<string> {
  const { table } = await import('../text/table.ts')
  const rows = apps.map(({ app, total }) => (total === undefined ? [app, '-', '-', '-', '-', '-', '-'] : [app, String(total.requests), share(total), ms(total.p50Ms), ms(total.p95Ms), cpu(total.cpu), memory(total.memoryBytes)]))
  const text = table(['APP', 'REQUESTS', 'ERRORS', 'P50', 'P95', 'CPU', 'MEMORY'], rows.map((row) => row.map(cleanLine)), { heading: style.dim, width: style.width })
  return `${text}\n${style.dim(apps.every(({ total }) => total === undefined) ? none : `the last ${duration(seconds * 1000)}`)}`
}

const none = 'There is no sample yet: the first comes half a minute after the server has started or the app was released.'

function detail({ points, total }: AppMetrics, { style, seconds }: { style: Style; seconds: number }): string {
  if (total === undefined) return none
  const line = (name: string, figure: string, values: readonly number[]): string => `${style.dim(name.padEnd(9))} ${figure.padEnd(34)} ${style.accent(sparkline(values, { from: Date.now() - seconds * 1000, to: Date.now(), at: points.map(({ at }) => Date.parse(at)) }))}`.trimEnd()
  return [
    line('requests', `${total.requests}, ${perSecond(total)}`, points.map(({ requests, seconds: over }) => requests / Math.max(1, over))),
    line('errors', share(total), points.map(({ errors }) => errors)),
    line('latency', `p50 ${ms(total.p50Ms)}, p95 ${ms(total.p95Ms)}, p99 ${ms(total.p99Ms)}`, points.map(({ p95Ms }) => p95Ms ?? 0)),
    line('cpu', cpu(total.cpu), points.map((point) => point.cpu ?? 0)),
    line('memory', memory(total.memoryBytes), points.map(({ memoryBytes }) => memoryBytes ?? 0)),
  ].join('\n')
}

type Total = NonNullable<Metrics['total']>
const perSecond = ({ requests, seconds }: Total): string => `${(requests / Math.max(1, seconds)).toFixed(requests / Math.max(1, seconds) < 10 ? 1 : 0)}/s`
const share = ({ errors, requests }: Total): string => (errors === 0 ? '0' : `${errors} (${((100 * errors) / requests).toFixed(1)} %)`)
const ms = (time: number | undefined): string => (time === undefined ? '-' : time < 10 ? `${time} ms` : duration(time))
const cpu = (processors: number | undefined): string => (processors === undefined ? '-' : `${(processors * 100).toFixed(processors < 0.1 ? 1 : 0)} %`)
const memory = (count: number | undefined): string => (count === undefined ? '-' : bytes(count))
