import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

let pilot: Pilot | undefined
afterEach(() => pilot?.[Symbol.asyncDispose]())

/** Answers with its version; every nth answer is a 500, `/slow` takes two seconds, `/die` ends it. */
const serverOf = (version: string, failsEach = 0): string => `
let asked = 0
require('http').createServer((request, response) => setTimeout(() => {
  if (request.url === '/die') process.exit(1)
  response.statusCode = request.url === '/' && ${failsEach} > 0 && ++asked > 5 && asked % ${failsEach} === 0 ? 500 : 200
  response.end('${version}')
}, request.url === '/slow' ? 2000 : 0)).listen(process.env.PORT)
process.on('SIGTERM', () => process.exit())
`
const manifest = 'project: shop\napps:\n  api:\n    source: .\n    command: node server.js\n'

interface Status {
  readonly apps: readonly { readonly status: { readonly state: string; readonly deployment: { readonly number: number }; readonly instances: readonly unknown[]; readonly canary?: { readonly percent: number; readonly deployment: { readonly number: number }; readonly instances: readonly unknown[]; readonly traffic?: { readonly canary: { readonly requests: number } } } } }[]
}
interface Releases {
  readonly releases: readonly { readonly kind: string; readonly by: string; readonly canary?: { readonly percent: number }; readonly aborted?: { readonly because?: string } }[]
}

for (const runtime of ['process', 'docker'] as const) {
  test(`a canary (${runtime}): its share is exact, no request is lost, and one that fails loses the traffic`, async (context) => {
    if (runtime === 'docker') {
      await needsDocker(context)
      await ensureBaseImages(['node:24-slim'])
    }
    pilot = await openPilot()
    const { ok, run } = pilot
    const app = join(pilot.folder, 'api')
    await mkdir(app)
    const files = { 'package.json': '{"name":"api"}', 'pilot.yaml': manifest, ...(runtime === 'docker' ? { Dockerfile: 'FROM node:24-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8080\nENV PORT=8080\nCMD ["node", "server.js"]\n' } : {}) }
    for (const [name, text] of Object.entries(files)) await writeFile(join(app, name), text)
    const version = (name: string, failsEach?: number) => writeFile(join(app, 'server.js'), serverOf(name, failsEach))
    const status = async () => (await ok(['status', '-C', app, '--json'])).json<Status>().apps[0]!.status
    const releases = async () => (await ok(['releases', '-C', app, '--json'])).json<Releases>().releases

    await version('one')
    await ok(['setup', 'local', '--runtime', runtime, '--yes'])
    const url = (await ok(['up', app, '--yes', '--canary', '10%'])).last
    expect(await answers(url, 20), 'there was nothing to share with').toEqual({ one: 20 })

    const load = keepAsking(url)
    await version('two')
    await ok(['up', app, '--canary', '10%'])
    await load.pause()
    expect(await answers(url, 200)).toEqual({ one: 180, two: 20 })
    load.resume()
    const shown = await status()
    expect(shown).toMatchObject({ state: 'live', deployment: { number: 1 }, canary: { percent: 10, deployment: { number: 2 } } })
    expect(shown.canary!.traffic!.canary.requests).toBeGreaterThanOrEqual(20)
    expect(shown.instances).toHaveLength(1)
    expect(shown.canary!.instances).toHaveLength(1)
    expect((await ok(['status', '-C', app])).stdout).toMatch(/canary +10 % +v2/)
    for (const words of [['up', app], ['restart', '-C', app], ['env', 'set', 'A=1', '-C', app], ['scale', '2', '-C', app]]) expect(await run(words)).toMatchObject({ code: expect.any(Number), stderr: expect.stringContaining('A canary is on') })
    await ok(['release', 'v2', '--canary', '50%', '-C', app])
    await load.pause()
    expect(await answers(url, 100)).toEqual({ one: 50, two: 50 })
    load.resume()

    // Some of them are with the canary when it ends.
    const slow = Array.from({ length: 200 }, () => get(url, '/slow'))
    await sleep(500)
    await ok(['rollback', '-C', app])
    expect(Map.groupBy(await Promise.all(slow), ({ status, text }) => `${status} ${text}`).get('200 two')?.length).toBeGreaterThan(50)
    expect((await Promise.all(slow)).filter((answer) => answer.status !== 200)).toEqual([])
    expect(await answers(url, 20)).toEqual({ one: 20 })
    await ok(['release', 'v2', '--canary', '50%', '-C', app])
    await ok(['release', '-C', app])
    expect(await load.stop()).toEqual([])
    expect(await answers(url, 20)).toEqual({ two: 20 })
    expect((await status()).canary).toBeUndefined()

    // Every fourth of its requests fails: after some seconds it is gone, whoever waits knows why.
    await version('three', 4)
    const failing = keepAsking(url, 10)
    const failed = await run(['up', app, '--steps', '30%,60%', '--every', '10m'])
    expect(failed.stderr).toMatch(/v3 failed \d+ of \d+ requests \([\d.]+ %\) with 30 % of the traffic, the version before 0 of \d+ \(0 %\); 1 % is allowed/)
    expect(failed.code).toBe(4)
    const lost = await failing.stop()
    expect(lost.every((each) => each === '500')).toBe(true)
    expect(await answers(url, 20)).toEqual({ two: 20 })
    expect((await releases())[0]).toMatchObject({ kind: 'rollback', by: 'canary', aborted: { because: expect.stringContaining('v3 failed') } })
    expect(await status()).toMatchObject({ deployment: { number: 2 }, instances: [expect.anything()] })

    // One that dies is gone too, also without steps.
    await version('four')
    await ok(['up', app, '--canary', '1%'])
    await get(url, '/die', { headers: { cookie: 'pilot-canary=0' } })
    for (const end = Date.now() + 60_000; (await status()).canary !== undefined; await sleep(200)) expect(Date.now()).toBeLessThan(end)
    for (const end = Date.now() + 60_000; (await releases())[0]!.aborted === undefined; await sleep(200)) expect(Date.now()).toBeLessThan(end)
    expect((await releases())[0]).toMatchObject({ aborted: { because: expect.stringMatching(/^v4 (is not running|stopped and was started again|is unhealthy)/) } })
    expect(await answers(url, 20)).toEqual({ two: 20 })
  })
}

test('a canary of a site: a page gets its scripts from the version that it is of', async () => {
  pilot = await openPilot()
  const site = join(pilot.folder, 'page')
  await mkdir(site)
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  const version = async (name: string) => {
    await writeFile(join(site, `${name}.js`), `'${name}'`)
    await writeFile(join(site, 'index.html'), `<script src="/${name}.js"></script>`)
  }
  await version('one')
  const url = (await pilot.ok(['up', site, '--yes'])).last
  await rm(join(site, 'one.js'))
  await version('two')
  await pilot.ok(['up', site, '--canary', '50%'])
  const seen: string[] = []
  for (let visitor = 0; visitor < 20; visitor++) {
    const page = await fetch(url, { headers: { accept: 'text/html' } })
    const [, name = ''] = /src="\/(\w+)\.js"/.exec(await page.text()) ?? []
    const cookie = page.headers.getSetCookie()[0]!.split(';')[0]!
    for (let i = 0; i < 3; i++) expect(await get(url, `/${name}.js`, { headers: { cookie } })).toEqual({ status: 200, text: `'${name}'` })
    seen.push(name)
  }
  expect(seen.filter((name) => name === 'two')).toHaveLength(10)
  await pilot.ok(['rollback', '-C', site])
  expect(await get(url, '/two.js')).toMatchObject({ status: 404 })
})

test('killed in the middle, server and edge, a canary in steps goes on to its end', async () => {
  pilot = await openPilot()
  const { ok } = pilot
  const app = join(pilot.folder, 'api')
  await mkdir(app)
  for (const [name, text] of Object.entries({ 'package.json': '{"name":"api"}', 'pilot.yaml': `${manifest}    canary: { steps: [20, 60], every: 4s }\n`, 'server.js': serverOf('one') })) await writeFile(join(app, name), text)
  const status = async () => (await ok(['status', '-C', app, '--json'])).json<Status>().apps[0]!.status
  const kill = async (name: string) => {
    const { services } = (await ok(['server', 'status', '--json'])).json<{ services: { name: string; pid?: number }[] }>()
    process.kill(services.find((service) => service.name === name)!.pid!, 'SIGKILL')
  }
  await ok(['setup', 'local', '--runtime', 'process', '--yes'])
  const url = (await ok(['up', app, '--yes'])).last
  await writeFile(join(app, 'server.js'), serverOf('two'))
  await ok(['up', app, '--no-wait'])
  expect((await status()).canary).toMatchObject({ percent: 20, deployment: { number: 2 } })
  await kill('server')
  await kill('edge')
  const seen = new Set<number>()
  for (const end = Date.now() + 90_000; ; await sleep(200)) {
    const { canary } = await status()
    if (canary === undefined) break
    seen.add(canary.percent)
    expect(Date.now(), `it stays at ${canary.percent} %`).toBeLessThan(end)
  }
  expect(seen).toContain(60)
  expect(await answers(url, 20)).toEqual({ two: 20 })
  expect(await status()).toMatchObject({ state: 'live', deployment: { number: 2 }, instances: [expect.anything()] })
  await writeFile(join(app, 'server.js'), serverOf('three'))
  await ok(['up', app, '--no-canary'])
  expect(await answers(url, 20)).toEqual({ three: 20 })
  await ok(['rollback', '-C', app])
  expect(await answers(url, 20), 'the version before').toEqual({ two: 20 })
})

/** How many answers came from which version. */
async function answers(url: string, count: number): Promise<Record<string, number>> {
  const got = await Promise.all(Array.from({ length: count }, () => get(url)))
  return Object.fromEntries([...Map.groupBy(got, ({ text }) => text)].map(([text, each]) => [text, each.length]))
}

/** Requests one after the other until it is stopped; resolves to what failed. */
function keepAsking(url: string, pauseMs = 20): { pause(): Promise<void>; resume(): void; stop(): Promise<readonly string[]> } {
  const failed: string[] = []
  let goes = true
  const ask = async (): Promise<void> => {
    while (goes) {
      await get(url).then(({ status }) => (status === 200 ? undefined : failed.push(String(status))), (error: unknown) => failed.push(String(error)))
      await sleep(pauseMs)
    }
  }
  let asking = ask()
  const pause = async (): Promise<void> => {
    goes = false
    await asking
  }
  return {
    pause,
    resume() {
      goes = true
      asking = ask()
    },
    async stop() {
      await pause()
      return failed
    },
  }
}
