import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ArtifactReference, Builder } from '@pilot/core'
import { openHome, removeHome, type Home } from '@pilot/host'
import { hasOwnUsers } from '../process/isolation.ts'
import { noSignal, sourceOf } from '../testing/local-platform.ts'
import { processBuilder } from './process.ts'

const platformId = randomBytes(16).toString('hex')
let home: Home
let builder: Builder

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-process-builds-')))
  builder = processBuilder({ home, platformId })
})
afterAll(() => removeHome(home))

/** Another source each time. */
const build = (app: string, script = '', log: string[] = []): Promise<ArtifactReference> =>
  builder.build({
    app: { project: 'shop', app, environment: 'production' },
    ...sourceOf({ 'package.json': JSON.stringify({ name: app, scripts: { build: 'node build.js', start: 'node server.js' } }), 'build.js': script, 'server.js': '' }),
    args: {},
    signal: noSignal(),
    log: (line) => void log.push(line),
  })

const exists = (location: string): Promise<boolean> => builder.exists({ digest: 'sha256:0', type: 'directory', location }, noSignal())

describe('an artifact', () => {
  test('exists where builds of its platform put it, and nowhere else', async () => {
    const { location } = await build('placed')
    const digest = location.split('/').at(-1)!
    const elsewhere = [join(home.paths.reachable, 'artifacts', digest), dirname(location), join(location, 'sub', digest), `${location}.removed`, join(home.paths.reachable, 'artifacts', 'f'.repeat(32), 'shop/placed', digest)]
    for (const folder of elsewhere) await mkdir(folder, { recursive: true })
    expect(await exists(location)).toBe(true)
    expect(await Promise.all(elsewhere.map(exists))).toEqual(elsewhere.map(() => false))
    expect(elsewhere.every((folder) => existsSync(folder))).toBe(true)
  })

  test('is kept also when another environment deletes the last ones of the app at that moment, and the folders above with them', async () => {
    for (let round = 1, deletions = 0; deletions < 3; round++) {
      expect(round).toBeLessThan(30)
      const deleting = deleteThrice(join(home.paths.reachable, 'artifacts', platformId, 'shop', `crossed-${round}`))
      const { location } = await build(`crossed-${round}`)
      deletions = await deleting
      expect(existsSync(join(location, 'server.js'))).toBe(true)
      expect((await stat(dirname(location))).mode & 0o777).toBe(hasOwnUsers() ? 0o711 : 0o700)
    }
  })
})

test('a build is marked by a variable that means nothing else', async () => {
  const log: string[] = []
  await build('marked', `console.log('variables ' + Object.keys(process.env).filter((name) => name.startsWith('PILOT_')))`, log)
  expect(log).toContain('variables PILOT_BUILD_MARK')
  // That processes are no isolation is said by the lifecycle, once.
  expect(log.join('\n')).not.toMatch(/isolation/)
})

/** In a thread of its own, since it must come between two calls that follow each other. How often it did: it ends when the folder holds something. */
async function deleteThrice(folder: string): Promise<number> {
  const look = `let deletions = 0; while (deletions < 3) { try { require('fs').rmdirSync(require('worker_threads').workerData); deletions++ } catch (error) { if (error.code !== 'ENOENT') break } } process.exit(deletions)`
  const worker = new Worker(look, { eval: true, workerData: folder })
  onTestFinished(async () => void (await worker.terminate()))
  const [deletions] = await once(worker, 'exit')
  return deletions as number
}

describe('as root, what the builds of an app downloaded', () => {
  beforeEach(({ skip }) => skip(!hasOwnUsers(), 'this needs root (on Linux): only then each app has a cache of its own'))
  const download = `const fs = require('fs'), f = process.env.npm_config_cache + '/f'
    fs.mkdirSync(process.env.npm_config_cache, { recursive: true }); console.log('found ' + fs.existsSync(f)); fs.writeFileSync(f, '')`
  const cacheOf = (app: string): string => join(home.paths.reachable, 'build-cache', platformId, 'shop', app)

  test('goes when the app never built, since nothing would ever delete it', async () => {
    await expect(build('bad', `${download}; process.exit(3)`)).rejects.toMatchObject({ code: 'BUILD_FAILED', reason: 'exit code 3' })
    expect(existsSync(cacheOf('bad'))).toBe(false)
  })

  test('stays when the app has an artifact, also after a build that failed', async () => {
    const log: string[] = []
    const { location } = await build('good', download)
    await expect(build('good', `${download}; process.exit(3)`)).rejects.toMatchObject({ code: 'BUILD_FAILED' })
    const next = await build('good', download, log)
    expect(log).toContain('found true')

    await builder.remove!({ digest: 'sha256:0', type: 'directory', location }, noSignal())
    expect(existsSync(cacheOf('good'))).toBe(true)
    await builder.remove!(next, noSignal())
    expect(existsSync(cacheOf('good'))).toBe(false)
  })

  test('is not in the way of builds of the same app that fail side by side', async () => {
    const failed = await Promise.allSettled(Array.from({ length: 4 }, () => build('bad', `${download}; process.exit(3)`)))
    expect(failed).toEqual(failed.map(() => expect.objectContaining({ status: 'rejected', reason: expect.objectContaining({ reason: 'exit code 3' }) })))
    expect(existsSync(cacheOf('bad'))).toBe(false)
  })
})
