/**
 * `pilot up` of a Dockerfile app against what a user would type instead: docker build, docker run, wait for 200. Unchanged (Pilot
 * compares, Docker builds from cache and runs anew) and with a changed file. Needs a Docker engine and the image node:24-slim.
 * Build first (`npm run build`), then:
 *
 *   npx node --conditions=@pilot/source bench/up.ts
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openHome, removeHome } from '@pilot/host'
import { pairs, shown, timeOf } from './measure.ts'

const root = resolve(import.meta.dirname, '..')
const pilot = join(root, 'packages/tui/dist/bin/pilot.js')
const folder = await mkdtemp(join(tmpdir(), 'pilot-bench-'))
const env = { PILOT_HOME: join(folder, 'home'), DOCKER_BUILDKIT: '0' }
const app = join(folder, 'quotes')
const name = `pilot-bench-${process.pid}`
const docker = (...words: string[]): Promise<number> => timeOf(['docker', ...words], { env })
const up = (): Promise<number> => timeOf([process.execPath, pilot, 'up', app, '--yes'], { env })

await cp(join(root, 'examples/dockerfile/quotes'), app, { recursive: true })
try {
  await up()
  const unchanged = await pairs(7, up, byHand)
  console.log(`unchanged: pilot up ${shown(unchanged.a)} ms, docker build + run + wait ${shown(unchanged.b)} ms, ratio ${shown(unchanged.ratio, 2)}`)
  const changed = await pairs(9, () => change().then(up), () => change().then(byHand))
  console.log(`changed:   pilot up ${shown(changed.a)} ms, docker build + run + wait ${shown(changed.b)} ms, ratio ${shown(changed.ratio, 2)}`)
} finally {
  await timeOf([process.execPath, pilot, 'destroy', '--platform', 'local', '--yes', '--delete-data'], { env }).catch(console.error)
  await timeOf([process.execPath, pilot, 'server', 'stop', '--all', '--yes'], { env }).catch(console.error)
  await docker('rm', '-f', name).catch(() => {})
  await docker('rmi', '-f', name).catch(() => {})
  await removeHome(await openHome(env.PILOT_HOME))
  await rm(folder, { recursive: true, force: true })
}

/** Never the same twice: the engine keeps what earlier runs of this benchmark built. */
function change(): Promise<void> {
  return writeFile(join(app, 'changed.txt'), randomUUID())
}

/** Stops the old container first, as one does who has one name and one port. */
async function byHand(): Promise<number> {
  const started = performance.now()
  await docker('build', '-q', '-t', name, app)
  await docker('rm', '-f', name).catch(() => {})
  await docker('run', '-d', '--name', name, '-p', '127.0.0.1::3000', '-e', 'PORT=3000', name)
  const { stdout } = await promisify(execFile)('docker', ['port', name, '3000'])
  while (!(await answers(`http://${stdout.trim()}/healthz`))) await sleep(20)
  return performance.now() - started
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(({ ok }) => ok, () => false)
}
