import { PilotError } from '@pilot/core/errors'
import type { LogLine } from '@pilot/core'
import { defineCommand, flag, value, type Options } from '../command.ts'
import { instanceNames } from '../instance-names.ts'
import { readLogs } from '../read-logs.ts'
import { appTarget, chooseApp, resolveProject } from '../target.ts'
import { cleanLine, safeJson } from '../text/clean.ts'
import { momentOf } from '../text/moment.ts'
import { isAtLeast, logLevels, type LogLevel } from '../text/log-level.ts'
import type { Style } from '../text/style.ts'
import { untilInterrupt } from '../until-interrupt.ts'

export const logs = defineCommand({
  name: 'logs',
  summary: 'Print the logs of apps',
  description: ['Without APP those of all apps of the project, in the order of their times. Without --since and --until, --grep and --level look through the newest 10 000 lines of each app; a line that does not say its level counts as info.', 'Of each app up to 100 MB of seven days are kept, also of versions that have ended. Where lines are missing, a note says how many.', 'With --json one line of JSON per line of the log. Control characters that an app wrote are left out, so that a log cannot act on your terminal.'],
  arguments: [{ name: '[APP...]', summary: 'The apps; default: all of the project.' }],
  options: [
    { flags: '-f, --follow', summary: 'Go on with what comes, until Ctrl-C.' },
    { flags: '-n, --lines <count>', summary: 'How many lines before now; default: 100, with --since or --until all.' },
    { flags: '--since <time>', summary: 'Only lines from then on: 10m, 2h, 7d (ago), 10:30, 2026-11-22T10:00.' },
    { flags: '--until <time>', summary: 'Only lines until then.' },
    { flags: '-g, --grep <pattern>', summary: 'Only lines that match, as a regular expression without regard to case.' },
    { flags: '--level <level>', summary: 'Only lines of this level or above.', choices: logLevels },
    { flags: '--deployment <vN>', summary: 'Only of one deployment of one app, by its version or id.' },
    { flags: '--timestamps', summary: 'Begin each line with its time; of processes it is known to the second.' },
  ],
  examples: [
    { run: 'logs -f', summary: 'the newest 100 lines and all that follow' },
    { run: 'logs api -g timeout --level warn', summary: 'search one app' },
    { run: 'logs --since 2h --level error', summary: 'what went wrong lately, of all apps' },
    { run: 'logs --json | jq -r .text', summary: 'every field, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const now = Date.now()
    const range = Object.fromEntries((['since', 'until'] as const).flatMap((option) => (value(options, option) === undefined ? [] : [[option, momentOf(value(options, option)!, { option, now })]]))) as { since?: string; until?: string }
    const inRange = range.since !== undefined || range.until !== undefined
    if (range.since !== undefined && range.until !== undefined && range.since > range.until) throw new PilotError('USAGE', `--since ${value(options, 'since')} is later than --until ${value(options, 'until')}.`)
    if (range.until !== undefined && flag(options, 'follow')) throw new PilotError('USAGE', '--follow goes on for ever, and --until ends.', { suggestion: 'Leave one of them out.' })
    const given = value(options, 'lines')
    const tail = given === undefined && inRange ? undefined : Number(given ?? 100)
    if (tail !== undefined && (!Number.isInteger(tail) || tail < 0 || tail > 10_000)) throw new PilotError('USAGE', `--lines wants a whole number from 0 to 10000, not ${value(options, 'lines')}.`)
    const follow = flag(options, 'follow')
    const deployment = value(options, 'deployment')
    const project = await resolveProject(context)
    const apps = args.length > 0 ? args : context.globals.app !== undefined || project.apps.length === 0 ? [await chooseApp(context, project, undefined)] : project.apps
    if (deployment !== undefined && apps.length > 1) throw new PilotError('USAGE', 'A deployment belongs to one app.', { suggestion: `Name one: ${apps.join(', ')}.` })
    const targets = await Promise.all(apps.map(async (app) => appTarget(project, args.length === 0 ? app : await chooseApp(context, project, app))))
    const wanted = filterOf(options)
    const client = await context.client()
    const { output } = context
    const names = new Map(output.json ? [] : await Promise.all(targets.map(async (target) => [target.params.app, await instanceNames(client, target, context.signal)] as const)))
    return await untilInterrupt(context, async (signal) => {
      for await (const line of readLogs(client, { targets, ...(tail === undefined ? {} : { tail }), ...range, follow, signal, ...(wanted === undefined ? {} : { wanted }), ...(deployment === undefined ? {} : { deployment }) })) {
        if (output.json) {
          await output.raw(`${safeJson(line)}\n`)
          continue
        }
        const known = names.get(line.app)!
        const name = await known.nameOf(line)
        const from = [...(targets.length > 1 ? [line.app] : []), ...(known.several ? [name] : [])].join(' ')
        await output.raw(`${logText(line, { style: output.out, timestamps: flag(options, 'timestamps'), from })}\n`)
      }
    })
  },
})

function filterOf(options: Options): ((line: LogLine) => boolean) | undefined {
  const grep = value(options, 'grep')
  const level = value(options, 'level') as LogLevel | undefined
  if (grep === undefined && level === undefined) return undefined
  const pattern = grep === undefined ? undefined : patternOf(grep)
  return ({ stream, text: written }) => {
    // What is missing may have matched.
    if (stream === 'pilot') return true
    // As it is shown: colours of a logger stand between words, and in front of levels.
    const text = cleanLine(written)
    return (pattern === undefined || pattern.test(text)) && (level === undefined || isAtLeast(text, level))
  }
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'i')
  } catch (error) {
    throw new PilotError('USAGE', `--grep wants a regular expression, and ${text} is none.`, { reason: (error as Error).message })
  }
}

function logText({ stream, at, text }: LogLine, { style, timestamps, from }: { style: Style; timestamps: boolean; /** App and instance, where several write. */ from: string }): string {
  const head = [...(timestamps && at !== undefined ? [at] : []), ...(from === '' ? [] : [cleanLine(from)])].join(' ')
  const body = cleanLine(text)
  return `${head === '' ? '' : `${style.dim(head)} `}${stream === 'pilot' ? style.accent(body) : body}`
}
