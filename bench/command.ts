/**
 * How long the command takes that people wait for, paired with the smallest Node program. Build first (`npm run build`), then:
 *
 *   npx node --conditions=@pilot/source bench/command.ts
 */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
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

  const app = join(home, '..', `${basename(home)}-quotes`)
  await cp(resolve(import.meta.dirname, '../examples/dockerfile/quotes'), app, { recursive: true })
  await run('up', app, '--yes')
  await run('status', '--all')
  const status: number[] = []
  for (let round = 0; round < 20; round++) status.push(await run('status', '--all'))
  console.log(`pilot status     ${shown(spread(status))} ms against a running server with one app`)
  await rm(app, { recursive: true, force: true })
} finally {
  await run('destroy', '--platform', 'local', '--yes', '--delete-data').catch(console.error)
  await run('server', 'stop', '--all', '--yes').catch(console.error)
  await removeHome(await openHome(home))
}
