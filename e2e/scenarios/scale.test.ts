import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

let pilot: Pilot | undefined
afterEach(() => pilot?.[Symbol.asyncDispose]())

/** Answers with what tells its instances apart; `/slow` takes 3 seconds. */
const server = `
const id = require('crypto').randomUUID()
require('http').createServer((request, response) => setTimeout(() => response.end(id), request.url === '/slow' ? 3000 : 0)).listen(process.env.PORT)
process.on('SIGTERM', () => process.exit())
`
const manifest = 'project: shop\napps:\n  api:\n    source: .\n    command: node server.js\n    processes: { worker: node worker.js }\n'

interface Shown {
  readonly processes: readonly { readonly process: string; readonly instances: number; readonly running: number; readonly source: string }[]
}

for (const runtime of ['process', 'docker'] as const) {
  test(`more and fewer instances (${runtime}): all of them answer, no request fails, and up keeps them`, async (context) => {
    if (runtime === 'docker') {
      await needsDocker(context)
      await ensureBaseImages(['node:24-slim'])
    }
    pilot = await openPilot()
    const { ok, run, folder } = pilot
    const app = join(folder, 'api')
    await mkdir(app)
    const files = { 'server.js': server, 'worker.js': 'setInterval(() => {}, 1000)', 'package.json': '{"name":"api"}', 'pilot.yaml': manifest, ...(runtime === 'docker' ? { Dockerfile: 'FROM node:24-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8080\nENV PORT=8080\nCMD ["node", "server.js"]\n' } : {}) }
    for (const [name, text] of Object.entries(files)) await writeFile(join(app, name), text)
    await ok(['setup', 'local', '--runtime', runtime, '--yes'])
    const url = (await ok(['up', app, '--yes'])).last
    const shown = async () => (await ok(['scale', 'api', '-C', app, '--json'])).json<Shown>().processes
    expect(await shown()).toEqual([{ process: 'web', instances: 1, running: 1, source: 'manifest' }, { process: 'worker', instances: 1, running: 1, source: 'manifest' }])

    const requests = keepAsking(url)
    await ok(['scale', 'api', 'web=3', 'worker=2', '-C', app])
    expect(await answeringAt(url)).toBe(3)
    expect(await shown()).toEqual([{ process: 'web', instances: 3, running: 3, source: 'scale' }, { process: 'worker', instances: 2, running: 2, source: 'scale' }])
    const status = (await ok(['status', '-C', app])).stdout
    expect(status).toMatch(/api +live 3\/3/)
    expect(status).toMatch(/worker +running 2\/2/)

    await writeFile(join(app, 'server.js'), `${server}\n`)
    const up = await ok(['up', app])
    expect(up.stderr).toContain('web=3 worker=2')
    expect(await answeringAt(url)).toBe(3)

    const slow = get(url, '/slow')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await ok(['scale', 'api', '1', 'worker=0', '-C', app])
    expect((await slow).status).toBe(200)
    expect(await answeringAt(url)).toBe(1)
    expect((await ok(['status', '-C', app])).stdout).toMatch(/worker +scaled to 0/)
    const { asked, failed } = await requests.stop()
    expect(failed).toEqual([])
    expect(asked).toBeGreaterThan(50)

    const refused = await run(['scale', 'api', 'mail=2', '-C', app])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('It has web, worker')
    expect((await run(['scale', 'api', '0', '-C', app])).stderr).toContain('stop api')
  })
}

test('a site has no instances', async () => {
  pilot = await openPilot()
  const site = join(pilot.folder, 'page')
  await mkdir(site)
  await writeFile(join(site, 'index.html'), '<p>hello</p>')
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  await pilot.ok(['up', site, '--yes'])
  for (const words of [['scale', '3'], ['scale']]) expect(await pilot.run([...words, '-C', site])).toMatchObject({ code: 2, stderr: expect.stringContaining('files have no instances') })
})

/** How many instances answer. */
async function answeringAt(url: string): Promise<number> {
  const answers = await Promise.all(Array.from({ length: 60 }, () => get(url)))
  return new Set(answers.map(({ text }) => text)).size
}

/** Requests one after the other until it is stopped. */
function keepAsking(url: string): { stop(): Promise<{ asked: number; failed: readonly string[] }> } {
  let goes = true
  const failed: string[] = []
  const asking = (async () => {
    let asked = 0
    for (; goes; asked++) {
      await get(url).then(({ status }) => (status === 200 ? undefined : failed.push(String(status))), (error: unknown) => failed.push(String(error)))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return asked
  })()
  return {
    async stop() {
      goes = false
      return { asked: await asking, failed }
    },
  }
}
