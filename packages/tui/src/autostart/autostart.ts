import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { PilotError } from '@pilot/core/errors'
import { homeFolder } from '../client/home.ts'
import type { Environment } from '../cli/terminal.ts'
import { launchdLabel, launchdPlist, systemdUnit, type Start } from './texts.ts'

export interface Autostart {
  readonly file: string
  readonly text: string
  /** Tells the system of the file; false where it does not answer, and then `byHand` is what to type. */
  enable(): Promise<boolean>
  readonly enableByHand: string
  /** systemd's name of it, where systemd keeps it. */
  readonly unit?: string
  /** Absent is success. Resolves to whether there was one. */
  remove(): Promise<boolean>
}

const run = (command: string, args: readonly string[]): Promise<boolean> => promisify(execFile)(command, [...args], { timeout: 20_000 }).then(() => true, () => false)

/** How this machine starts a home at login. Writes nothing yet. Throws USAGE where neither systemd nor launchd is to be expected. */
export async function autostartOf(env: Environment, { platform = process.platform }: { platform?: NodeJS.Platform } = {}): Promise<Autostart> {
  const home = homeFolder(env)
  const user = env['HOME'] || homedir()
  const isUsual = home === join(user, '.pilot')
  const name = isUsual ? 'pilot' : `pilot-${(await idOf(home)).slice(0, 8)}`
  const start: Start = { home, name, command: [process.execPath, ...process.execArgv, process.argv[1]!], env: kept(env), log: join(home, 'logs', 'autostart.log') }
  if (platform === 'darwin') return launchd(start, user)
  if (platform === 'linux') return systemd(start, env['XDG_CONFIG_HOME'] || join(user, '.config'))
  throw new PilotError('USAGE', `Pilot does not know how ${platform} starts programs at login.`, { suggestion: 'Let it run `server start`.' })
}

export async function writeAutostart({ file, text }: Autostart): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text, { mode: 0o644 })
}

function systemd(start: Start, config: string): Autostart {
  const unit = `${start.name}.service`
  const file = join(config, 'systemd/user', unit)
  const systemctl = (...words: string[]) => run('systemctl', ['--user', ...words])
  return {
    file,
    text: systemdUnit(start),
    unit,
    enable: async () => (await systemctl('daemon-reload')) && (await systemctl('enable', unit)),
    enableByHand: `systemctl --user daemon-reload && systemctl --user enable ${unit}`,
    async remove() {
      const isThere = await exists(file)
      if (isThere) await systemctl('disable', unit)
      await rm(file, { force: true })
      if (isThere) await systemctl('daemon-reload')
      return isThere
    },
  }
}

function launchd(start: Start, user: string): Autostart {
  const label = launchdLabel(start.name)
  const file = join(user, 'Library/LaunchAgents', `${label}.plist`)
  const domain = `gui/${process.getuid?.() ?? ''}`
  return {
    file,
    text: launchdPlist(start),
    async enable() {
      // One of before has to go first.
      await run('launchctl', ['bootout', `${domain}/${label}`])
      return await run('launchctl', ['bootstrap', domain, file])
    },
    enableByHand: `launchctl bootstrap ${domain} ${file}`,
    async remove() {
      const isThere = await exists(file)
      if (isThere) await run('launchctl', ['bootout', `${domain}/${label}`])
      await rm(file, { force: true })
      return isThere
    },
  }
}

/** What programs are found by, and which engine: a login without a shell knows neither. */
const kept = (env: Environment): Record<string, string> => Object.fromEntries(['PATH', 'DOCKER_HOST', 'DOCKER_CONTEXT', 'LANG'].flatMap((name) => (env[name] ? [[name, env[name]]] : [])))

async function idOf(home: string): Promise<string> {
  const file = await readFile(join(home, 'home.json'), 'utf8').catch(() => undefined)
  if (file === undefined) throw new PilotError('NOT_FOUND', `There is no home in ${home} yet.`, { suggestion: 'Run `server start` first.' })
  return (JSON.parse(file) as { id: string }).id
}

const exists = (file: string): Promise<boolean> => readFile(file).then(() => true, () => false)
