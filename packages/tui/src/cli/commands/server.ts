import { PilotError } from '@pilot/core/errors'
import type { HomeService } from '../../client/services.ts'
import { common, defineCommand, flag, value } from '../command.ts'
import { cleanLine, escaped } from '../text/clean.ts'
import { ago, bytes } from '../text/units.ts'
import { untilInterrupt } from '../until-interrupt.ts'

const everywhere = ['app', 'dir', 'project', 'environment', 'platform'] as const

export const serverStatus = defineCommand({
  name: 'server status',
  summary: 'Show the server of this home and what it keeps running',
  description: ['Starts nothing.'],
  without: everywhere,
  examples: [
    { run: 'server status', summary: 'processes and their memory' },
    { run: 'server status --json', summary: 'for a program' },
  ],
  type: 'query',
  needsServer: false,
  async run(context) {
    const { homeServices } = await import('../../client/services.ts')
    const [running, services] = await Promise.all([context.runningConnection(), homeServices(context.terminal.env)])
    const { output } = context
    output.document({ running: running !== undefined, ...(running === undefined ? {} : { server: running.info }), services })
    const info = running?.info
    const isAllStopped = services.length > 1 && services.every(({ state }) => state === 'stopped')
    output.result(info === undefined ? `${isAllStopped ? `Nothing of this home ${output.out.warn('runs')}; \`${context.typed('server start')}\` brings everything back, as any command does that needs the server` : `The server ${output.out.warn('does not run')}; any command that needs it starts it`}.` : `Server ${info.version} ${output.out.ok('runs')}, started ${ago(info.startedAt, Date.now())}; home ${cleanLine(info.home)}; ${info.jobs.running} jobs run, ${info.jobs.queued} wait.`)
    const { table } = await import('../text/table.ts')
    const rows = services.map(({ state, pid, since, restarts, memoryBytes, problem, ...service }) => [cleanLine(titleOf(service)), problem === undefined ? state : `${state}: ${cleanLine(problem)}`, String(pid ?? ''), since === undefined ? '' : ago(since, Date.now()), restarts === undefined ? '' : String(restarts), memoryBytes === undefined ? '' : bytes(memoryBytes)])
    output.result(`\n${table(['PROCESS', 'STATE', 'PID', 'SINCE', 'RESTARTS', 'MEMORY'], rows, { heading: output.out.dim, width: output.out.width })}`)
  },
})

/** An app's processes are known by the app; their own names mean something to Pilot only. */
const titleOf = ({ name, app, process }: Pick<HomeService, 'name' | 'app' | 'process'>): string => (app === undefined ? name : [`${app.project}/${app.app}`, app.environment, ...(process === undefined ? [] : [process])].join(', '))

export const serverStop = defineCommand({
  name: 'server stop',
  summary: 'Stop the server; apps go on',
  description: ['Apps, their databases and the edge run on. With --all everything of this home stops: apps are not reachable until a command starts it again. Nothing is deleted.'],
  options: [{ flags: '--all', summary: 'Everything: server, databases, edge, process apps, supervisor.' }, { flags: '--wait', summary: 'Let running jobs end first; otherwise they go on when the server runs again.' }, common.yes],
  without: everywhere,
  examples: [
    { run: 'server stop', summary: 'until the next command that needs it' },
    { run: 'server stop --all', summary: 'everything of this home, to free the memory' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const all = flag(options, 'all')
    if (all && !flag(options, 'yes') && !(await context.ask.confirm({ message: 'Stop everything of this home? Apps are not reachable until it runs again.', flag: '--yes' }))) throw new PilotError('CANCELLED', 'Nothing was stopped.', { suggestion: 'Run the command again when you are ready.' })
    const { stopEverything, stopServer } = await import('../../client/stop-server.ts')
    const running = await context.runningConnection()
    const stopped = await stopServer({ env: context.terminal.env, running, wait: flag(options, 'wait') })
    if (all) await stopEverything(context.terminal.env)
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { stopped: stopped || all } })
    context.output.result(all ? 'Everything of this home is stopped. Nothing was deleted.' : stopped ? 'The server is stopped; apps run on.' : 'The server did not run.')
  },
})

export const serverLogs = defineCommand({
  name: 'server logs',
  summary: 'Print the log of the server',
  description: ['Reads the file, so that it works also when the server does not start.'],
  options: [
    { flags: '-f, --follow', summary: 'Go on with what comes, until Ctrl-C.' },
    { flags: '-n, --lines <count>', summary: 'How many lines before now; default: 100.' },
    { flags: '--of <process>', summary: 'Another process that `server status` lists, such as supervisor or edge.' },
  ],
  without: everywhere,
  examples: [
    { run: 'server logs -n 20', summary: 'the newest 20 lines' },
    { run: 'server logs --of supervisor -f', summary: 'follow another process' },
  ],
  type: 'query',
  needsServer: false,
  async run(context, { options }) {
    const lines = Number(value(options, 'lines') ?? 100)
    if (!Number.isInteger(lines) || lines < 0) throw new PilotError('USAGE', `--lines wants a whole number from 0, not ${value(options, 'lines')}.`)
    const { logFileOf, readLogFile } = await import('../../client/log-file.ts')
    const file = await logFileOf(context.terminal.env, value(options, 'of') ?? 'server')
    return await untilInterrupt(context, async (signal) => {
      for await (const line of readLogFile({ file, lines, follow: flag(options, 'follow'), signal })) await context.output.raw(`${context.output.json ? escaped(line) : cleanLine(line)}\n`)
    })
  },
})
