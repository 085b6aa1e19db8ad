import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { homeFolder } from '../../client/home.ts'
import { defineCommand } from '../command.ts'
import { statusText } from '../status-text.ts'

/** `pilot` alone in a terminal. */
export const overview = defineCommand({
  name: '',
  summary: 'Show what runs where, and what can be done next',
  examples: [{ run: '', summary: 'an overview' }],
  type: 'query',
  needsServer: false,
  async run(context) {
    const { output, form } = context
    const running = await context.runningConnection()
    if (running === undefined) {
      output.result(`${hasRun(homeFolder(context.terminal.env)) ? `Pilot does not run: the machine was restarted, or it was stopped. \`${context.typed('server start')}\` brings everything back.` : 'Pilot does not run on this machine yet.'}\n`)
    } else {
      const status = await running.client.request('status', { signal: context.signal })
      output.document(status)
      output.result(`${await statusText(status, { style: output.out, form, now: Date.now() })}\n`)
    }
    const next = [
      ['up DIR', 'deploy a folder'],
      ['logs -f APP', 'follow a log'],
      ['doctor', 'check this machine'],
      ['--help', 'all commands'],
    ] as const
    const width = Math.max(...next.map(([command]) => `${form} ${command}`.length)) + 2
    output.result(next.map(([command, what]) => `${output.out.accent(`${form} ${command}`.padEnd(width))}${what}`).join('\n'))
  },
})

/** Without loading what knows homes: this is the first thing that most people type. */
function hasRun(home: string): boolean {
  try {
    return readdirSync(join(home, 'services')).length > 0
  } catch {
    return false
  }
}
