import { autostartOf, writeAutostart } from '../../autostart/autostart.ts'
import { homeFolder } from '../../client/home.ts'
import { defineCommand, flag } from '../command.ts'

const everywhere = ['app', 'dir', 'project', 'environment', 'platform'] as const
const done = (result: Record<string, unknown>) => ({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result })

export const serverStart = defineCommand({
  name: 'server start',
  summary: 'Start the server, and everything of this home that was stopped',
  description: ['Other commands do this by themselves; this one does nothing else.'],
  options: [{ flags: '--only-supervisor', summary: 'Only what keeps the others running; the unit of `server install` uses it.' }],
  without: everywhere,
  examples: [{ run: 'server start', summary: 'after `server stop --all`' }],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const { startOnlySupervisor } = await import('../../client/start-server.ts')
    if (flag(options, 'onlySupervisor')) {
      await startOnlySupervisor(context.terminal.env)
      context.output.event(done({ home: homeFolder(context.terminal.env) }))
      return context.output.result('The supervisor runs.')
    }
    const { info } = await context.connection()
    // A server that answers may have outlived it.
    await startOnlySupervisor(context.terminal.env)
    context.output.event(done({ version: info.version, home: info.home }))
    context.output.result(`Server ${info.version} runs.`)
  },
})

export const serverInstall = defineCommand({
  name: 'server install',
  summary: 'Start Pilot and its apps when this user logs in',
  description: [
    'Writes a systemd user unit (Linux) or a launch agent (macOS) that runs `server start`, and enables it. Shows the file. Apps that run now are not touched.',
    'On Linux `loginctl enable-linger` makes it start with the machine, before anybody logs in.',
  ],
  options: [{ flags: '--print', summary: 'Show the file and write nothing.' }],
  without: everywhere,
  examples: [
    { run: 'server install', summary: 'from the next login on' },
    { run: 'server install --print', summary: 'what would be written' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const { output, terminal } = context
    // A home has an id once it was used, and the file is named after it.
    if (!flag(options, 'print')) await context.connection()
    const autostart = await autostartOf(terminal.env)
    if (flag(options, 'print')) {
      output.event(done({ file: autostart.file, text: autostart.text }))
      return output.result(autostart.text)
    }
    await writeAutostart(autostart)
    const enabled = await autostart.enable()
    if (enabled && autostart.unit !== undefined) {
      const { handToUnit } = await import('../../client/start-server.ts')
      await handToUnit(terminal.env)
    }
    output.event(done({ file: autostart.file, enabled }))
    context.say(autostart.text.trimEnd())
    output.result(`Wrote ${autostart.file}`)
    context.say(enabled ? 'It is enabled: Pilot starts at the next login.' : `The system did not take it up here. Where it does:\n  ${autostart.enableByHand}`)
  },
})

export const serverUninstall = defineCommand({
  name: 'server uninstall',
  summary: 'Start nothing at login any more',
  description: ['What runs now goes on.'],
  without: everywhere,
  examples: [{ run: 'server uninstall', summary: 'undo `server install`' }],
  type: 'operation',
  needsServer: false,
  async run({ output, terminal }) {
    const autostart = await autostartOf(terminal.env)
    const removed = await autostart.remove()
    output.event(done({ file: autostart.file, removed }))
    output.result(removed ? `Removed ${autostart.file}` : 'Nothing starts at login.')
  },
})
