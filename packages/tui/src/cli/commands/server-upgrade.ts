import { PilotError } from '@pilot/core/errors'
import { isOlder } from '../../client/connect.ts'
import { version } from '../../version.ts'
import { common, defineCommand, flag } from '../command.ts'

export const serverUpgrade = defineCommand({
  name: 'server upgrade',
  summary: 'Bring what runs to the Pilot that is installed; apps go on',
  description: [
    'After Pilot itself was updated (`git pull` in its clone, or a newer package): replaces edge, supervisor and server where they run as they were before. Apps, containers and databases are not touched, no request fails, and running jobs go on in the next server.',
    'Any command that needs the server does the same by itself when the server is older; this one says what is old, and does nothing else.',
  ],
  options: [common.plan],
  without: ['app', 'dir', 'project', 'environment', 'platform'],
  examples: [
    { run: 'server upgrade --plan', summary: 'what runs in an older build' },
    { run: 'server upgrade', summary: 'after an update of Pilot' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const { output, terminal } = context
    const { oldPrograms, upgradeHome } = await import('../../client/upgrade-home.ts')
    const running = await context.runningConnection()
    if (running !== undefined && isOlder(version, running.info.version)) {
      throw new PilotError('NOT_ALLOWED_NOW', `The server that runs is Pilot ${running.info.version}; this is the older ${version}`, { reason: 'What a newer Pilot has written is not given to an older one.', suggestion: 'Update this Pilot, or use the one that started the server.' })
    }
    const old = await oldPrograms(terminal.env, running)
    const plan = flag(options, 'plan')
    if (!plan && old.length > 0) await upgradeHome({ env: terminal.env, running, old, signal: context.signal })
    output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { version, plan, replaced: old } })
    if (old.length === 0) return output.result(running === undefined ? `Nothing to do: the server does not run, and starts as ${version}.` : `Nothing to do: everything of this home runs ${version} as installed.`)
    for (const { name, from, to } of old) output.result(`${name}: ${from} → ${to}`)
    context.say(plan ? '`server upgrade` replaces them; apps go on.' : 'Apps were not touched.')
  },
})
