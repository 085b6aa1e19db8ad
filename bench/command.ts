/**
 * How long the command takes that people wait for, paired with the smallest Node program. Build first (`npm run build`), then:
 *
 *   npx node --conditions=@pilot/source bench/command.ts
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openHome, removeHome } from '@pilot/host'
import { pairs, shown, spread, timeOf } from './measure.ts'

const pilot = resolve(import.meta.dirname, '../packages/tui/dist/bin/pilot.js')
const home = await mkdtemp(join(tmpdir(), 'pilot-bench-'))
const env = { PILOT_HOME: home }
const run = (...words: string[]): Promise<number> => timeOf([process.execPath, pilot, ...words], { env, cwd: home })

try {
  await run('--version')
  const version = await pairs(20, () => run('--version'), () => timeOf([process.execPath, '-e', '0']))
  console.log(`pilot --version  ${shown(version.a)} ms, node -e 0 ${shown(version.b)} ms, ratio ${shown(version.ratio, 2)}`)

  await run('setup', 'local', '--runtime', 'process', '--yes')
  await run('status')
  const status: number[] = []
  for (let round = 0; round < 20; round++) status.push(await run('status'))
  console.log(`pilot status     ${shown(spread(status))} ms against a running server`)
} finally {
  await run('destroy', '--platform', 'local', '--yes', '--delete-data').catch(console.error)
  await run('server', 'stop', '--all', '--yes').catch(console.error)
  await removeHome(await openHome(home))
}
