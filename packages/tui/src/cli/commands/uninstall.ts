import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { StatusView } from '@pilot/server/contract'
import { autostartOf } from '../../autostart/autostart.ts'
import { homeFolder } from '../../client/home.ts'
import { common, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { runOperation } from '../operation.ts'
import { cleanLine } from '../text/clean.ts'
import { removeShim } from './install-cli.ts'

export const uninstall = defineCommand({
  name: 'uninstall',
  summary: 'Remove everything of this home from this machine',
  description: [
    'Destroys the platforms on this machine with all apps and data, stops what runs, and removes the home with all that lies outside of it: system users, folders, what `server install`, `install-cli` and `domains trust` did. The copy of Pilot itself stays.',
    'A platform that is not on this machine is left alone: destroy it first.',
  ],
  options: [{ flags: '--delete-data', summary: 'Agree that apps, databases and backups go too, without typing the name.' }, common.yes],
  without: ['app', 'dir', 'project', 'environment', 'platform'],
  examples: [
    { run: 'uninstall', summary: 'shows what goes, and asks' },
    { run: 'uninstall --yes --delete-data', summary: 'in a script' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const { output, terminal } = context
    const home = homeFolder(terminal.env)
    const removed: string[] = []
    if (existsSync(join(home, 'home.json'))) {
      const status = await (await context.client()).request('status', { signal: context.signal })
      refuseElsewhere(status)
      show(context, home, status)
      await agree(context, status, { yes: flag(options, 'yes'), deleteData: flag(options, 'deleteData') })
      for (const { name } of status.platforms) {
        const { exit, outcome } = await runOperation(context, { action: 'destroy-platform', platform: name, deleteData: true }, { partOfMore: true })
        if (outcome !== 'done') {
          context.say('The home was not removed. Run the command again when that is mended.')
          return exit
        }
      }
      removed.push(...(await removeThis(context)))
    } else removed.push(...(await removeAround(context, home)))
    output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { removed } })
    output.result(removed.length === 0 ? `There is nothing of Pilot in ${home}.` : `Removed:\n${removed.map((each) => `  ${cleanLine(each)}`).join('\n')}\nNothing is left.`)
  },
})

function refuseElsewhere({ platforms }: StatusView): void {
  const elsewhere = platforms.filter(({ provider }) => provider !== 'local')
  if (elsewhere.length === 0) return
  throw new PilotError('BLOCKED', `This home manages ${elsewhere.map(({ name }) => `the platform ${name}`).join(', ')}, which is not on this machine`, {
    reason: 'Without this home nobody would know what belongs to it.',
    suggestion: `Destroy it first: ${elsewhere.map(({ name }) => `\`destroy --platform ${name}\``).join(', ')}.`,
  })
}

function show({ output, say }: CommandContext, home: string, { platforms, apps }: StatusView): void {
  const { err } = output
  say(`${err.bad('Removes')} Pilot's home ${cleanLine(home)}`)
  for (const { name } of platforms) output.progress(`  ${err.bad('-')} platform ${cleanLine(name)}, with its databases and backups`)
  for (const { status } of apps) output.progress(`  ${err.bad('-')} ${cleanLine(`${status.app.project}/${status.app.app}`)}, ${cleanLine(status.app.environment)}`)
}

/** `--yes` alone agrees to no loss of data. */
async function agree(context: CommandContext, { platforms }: StatusView, { yes, deleteData }: { yes: boolean; deleteData: boolean }): Promise<void> {
  const hasData = platforms.length > 0
  if (yes && (deleteData || !hasData)) return
  const expected = platforms.length === 1 ? platforms[0]!.name : 'uninstall'
  const agreed = hasData && !deleteData ? await context.ask.typed({ message: 'All apps and their data go; that cannot be undone.', expected, flag: '--yes --delete-data' }) : await context.ask.confirm({ message: 'Remove all of it?', flag: '--yes' })
  if (!agreed) throw new PilotError('CANCELLED', 'Nothing was removed.', { suggestion: 'Run the command again when you are ready.' })
}

/** The home is still there, and nothing lives on it any more but its own services. */
async function removeThis(context: CommandContext): Promise<readonly string[]> {
  const { env } = context.terminal
  const { stopEverything, stopServer } = await import('../../client/stop-server.ts')
  const { openHome, removeHome, removeSharedIfLast } = await import('@pilot/host')
  const trust = await endTrustOf(context, homeFolder(env))
  await stopServer({ env, running: await context.runningConnection(), wait: false })
  await stopEverything(env)
  // While there is a home: its file is named after the home's id, and systemd is told by then that it was stopped.
  const around = await removeAround(context, homeFolder(env))
  const home = await openHome(homeFolder(env))
  await removeHome(home)
  return [home.dir, ...(home.paths.reachable === home.dir ? [] : [home.paths.reachable]), ...(await removeSharedIfLast()), ...around, ...trust]
}

/** Nobody is to trust an authority whose key is gone, or is not. */
async function endTrustOf(context: CommandContext, home: string): Promise<readonly string[]> {
  if (!existsSync(join(home, 'certificates/trusted.json'))) return []
  const [{ X509Certificate }, { endTrust }] = await Promise.all([import('node:crypto'), import('./domains-trust.ts')])
  const certificate = join(home, 'ca.pem')
  return endTrust(context, { certificate, sha256: new X509Certificate(readFileSync(certificate)).fingerprint256 })
}

/** What this user's system knows of Pilot. The command itself belongs to the usual home. */
async function removeAround({ terminal: { env } }: CommandContext, home: string): Promise<readonly string[]> {
  const autostart = await autostartOf(env).catch(() => undefined)
  const isUsual = home === homeFolder({ ...env, PILOT_HOME: undefined })
  const shim = isUsual ? await removeShim(env) : undefined
  return [...((await autostart?.remove()) ? [autostart!.file] : []), ...(shim === undefined ? [] : [shim])]
}
