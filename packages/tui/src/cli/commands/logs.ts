import { PilotError } from '@pilot/core/errors'
import type { LogLine } from '@pilot/core'
import { appArgument, defineCommand, flag, value } from '../command.ts'
import { instanceNames } from '../instance-names.ts'
import { resolveApp } from '../target.ts'
import { cleanLine, safeJson } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { untilInterrupt } from '../until-interrupt.ts'

export const logs = defineCommand({
  name: 'logs',
  summary: 'Print the log of an app',
  description: ['With --json one line of JSON per line of the log. Control characters that an app wrote are left out, so that a log cannot act on your terminal.'],
  arguments: [appArgument],
  options: [
    { flags: '-f, --follow', summary: 'Go on with what comes, until Ctrl-C.' },
    { flags: '-n, --lines <count>', summary: 'How many lines before now; default: 100.' },
    { flags: '--deployment <vN>', summary: 'Only of one deployment, by its version or id.' },
    { flags: '--timestamps', summary: 'Begin each line with its time.' },
  ],
  examples: [
    { run: 'logs -f', summary: 'the newest 100 lines and all that follow' },
    { run: 'logs api -n 1000 | grep ERROR', summary: 'search the newest 1000' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const tail = Number(value(options, 'lines') ?? 100)
    if (!Number.isInteger(tail) || tail < 0 || tail > 10_000) throw new PilotError('USAGE', `--lines wants a whole number from 0 to 10000, not ${value(options, 'lines')}.`)
    const follow = flag(options, 'follow')
    const deployment = value(options, 'deployment')
    const target = await resolveApp(context, args[0])
    const client = await context.client()
    const { output } = context
    const names = output.json ? undefined : await instanceNames(client, target, context.signal)
    return await untilInterrupt(context, async (signal) => {
      for await (const line of client.logs(target.params, { ...target.query, tail, follow, signal, ...(deployment === undefined ? {} : { deployment }) })) {
        const name = await names?.nameOf(line)
        await output.raw(output.json ? `${safeJson(line)}\n` : `${logText(line, { style: output.out, timestamps: flag(options, 'timestamps'), instance: names!.several ? name : undefined })}\n`)
      }
    })
  },
})

function logText({ stream, at, text }: LogLine, { style, timestamps, instance }: { style: Style; timestamps: boolean; /** Where several write. */ instance: string | undefined }): string {
  const head = [...(timestamps && at !== undefined ? [at] : []), ...(instance === undefined ? [] : [cleanLine(instance)])].join(' ')
  const body = cleanLine(text)
  return `${head === '' ? '' : `${style.dim(head)} `}${stream === 'pilot' ? style.accent(body) : body}`
}
