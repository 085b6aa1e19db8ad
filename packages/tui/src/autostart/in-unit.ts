import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Environment } from '../cli/terminal.ts'
import { autostartOf } from './autostart.ts'

/**
 * Where `server install` made a systemd unit, the supervisor belongs into its group, and with it all that it starts: born of a shell, it
 * would belong to that login, and end with it where logins take everything along. Starts none where there is no such unit, where
 * systemd itself asks, or where it does not answer: then it is started as on any machine.
 */
export async function startSupervisorInUnit(env: Environment): Promise<void> {
  const unit = await ownUnit(env)
  if (unit !== undefined) await systemctl(env, [unit.isActive ? 'reload' : 'start', unit.name]).catch(() => {})
}

/** So that systemd does not believe that a home runs which was stopped by hand: its next `start` would do nothing. */
export async function tellUnitOfStop(env: Environment): Promise<void> {
  const unit = await ownUnit(env)
  if (unit?.isActive === true) await systemctl(env, ['stop', unit.name]).catch(() => {})
}

async function ownUnit(env: Environment): Promise<{ readonly name: string; readonly isActive: boolean } | undefined> {
  if (process.platform !== 'linux') return undefined
  const { file, unit } = (await autostartOf(env).catch(() => undefined)) ?? {}
  if (file === undefined || unit === undefined || !existsSync(file) || isWithin(unit)) return undefined
  const said = await systemctl(env, ['show', '--property=FragmentPath,ActiveState', unit]).catch(() => '')
  // With another HOME the name is that of another home, which is none of ours.
  return said.split('\n').includes(`FragmentPath=${file}`) ? { name: unit, isActive: said.split('\n').includes('ActiveState=active') } : undefined
}

/** What systemd started for the unit, or one of the processes of the home: asking systemd would wait for itself. */
const isWithin = (unit: string): boolean => readFileSync('/proc/self/cgroup', 'utf8').includes(`/${unit}`)

/** A login without a session of systemd's, such as `su`, finds it where it always is. Above what the unit's own limits allow. */
const systemctl = async (env: Environment, words: readonly string[]): Promise<string> =>
  (await promisify(execFile)('systemctl', ['--user', ...words], { timeout: 130_000, env: { ...env, XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.()}` } })).stdout
