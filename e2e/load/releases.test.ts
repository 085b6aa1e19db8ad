import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFullCampaign } from '@pilot/core/testing'
import { openHome, putService, serviceStatus } from '@pilot/host'
import { afterAll, expect, test, type TestContext } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { startLoad, writeLoadApp, type LoadReport } from '../fixtures/load/start.ts'

const drainMs = 3_000
const manifest = `project: shop\napps:\n  api:\n    source: .\n    command: node app.js\n    health: { path: /health, interval: 100ms, grace: 1500ms }\n    drain: ${drainMs}ms\n`
/** What is done, in this order: `+` a release, `-` a rollback, `x` a release that fails its health check. */
const steps = isFullCampaign ? '+++x++-+++x+-+' : '+x+-'

for (const runtime of isFullCampaign ? (['process', 'docker'] as const) : (['process'] as const)) {
  describeRuntime(runtime)
}

function describeRuntime(runtime: 'process' | 'docker'): void {
  let pilot!: Pilot
  let folder: string
  let url: string
  let version: (name: string, more?: { healthy: boolean }) => Promise<void>
  let released = 0

  let started: Promise<void> | undefined
  const ready = async (context: TestContext): Promise<void> => {
    if (runtime === 'docker') await needsDocker(context)
    await (started ??= start())
  }
  const start = async (): Promise<void> => {
    if (runtime === 'docker') await ensureBaseImages(['node:24-slim'])
    pilot = await openPilot()
    folder = join(pilot.folder, 'api')
    version = (await writeLoadApp(folder, { manifest, docker: runtime === 'docker' })).release
    await version('v0')
    await pilot.ok(['setup', 'local', '--runtime', runtime, '--yes'])
    url = (await pilot.ok(['up', folder, '--yes'])).last
  }
  afterAll(async () => pilot?.[Symbol.asyncDispose]())

  const release = async (): Promise<void> => {
    await version(`v${++released}`)
    await pilot.ok(['up', folder])
  }

  test(`releases, rollbacks and failed releases (${runtime}): no failed request, no cut download, and what stays open has the time that \`drain\` gives`, async (context) => {
    await ready(context)
    const load = startLoad({ url })
    await sleep(2_000)
    const commands: number[] = []
    for (const step of steps) {
      commands.push(Date.now())
      if (step === '+') await release()
      if (step === '-') await pilot.ok(['rollback', '-C', folder])
      if (step === 'x') {
        await version('broken', { healthy: false })
        expect((await pilot.run(['up', folder])).code).toBe(4)
      }
    }
    const report = await load.stop()
    tell(`${runtime}, ${steps}`, report)
    expect(report.failures).toEqual([])
    expect(report.longLived.filter(({ ended }) => ended === 'lost')).toEqual([])
    expect(report.versions.map((one) => one.version)).not.toContain('broken')
    // Rates are what was asked for: nothing held the clients back.
    expect((report.counts['keep-alive']! + report.counts['new connection']! + report.counts['upload']!) / (report.ms / 1000)).toBeGreaterThan(150)
    checkDrain(report, commands)
    expect(report.longLived.filter(({ ended }) => ended === 'said').length).toBeGreaterThanOrEqual(10)
  })

  test(`the server killed (${runtime}): no failed request, and the next release works`, async (context) => {
    await ready(context)
    const load = startLoad({ url })
    await sleep(500)
    process.kill(await serverPid(pilot), 'SIGKILL')
    await sleep(500)
    await release()
    const report = await load.stop()
    tell(`${runtime}, server killed`, report)
    expect(report.failures).toEqual([])
    expect(report.longLived.filter(({ ended }) => ended === 'lost')).toEqual([])
  })

  test(`the edge upgraded (${runtime}): no failed request and no cut download; a connection that stays longer than 30 s loses its edge`, async (context) => {
    await ready(context)
    const home = await openHome(pilot.home)
    const edge = (): number => serviceStatus(home, 'edge')?.process?.pid as number
    const load = startLoad({ url })
    await sleep(1_000)
    const [first] = [edge()]
    // As if another build had started it, which `server upgrade` then replaces.
    const spec = JSON.parse(await readFile(join(home.paths.services, 'edge.json'), 'utf8'))
    await putService(home, { ...spec, env: { ...spec.env, PILOT_BUILD: 'another' } })
    await expect.poll(() => edge() !== first && serviceStatus(home, 'edge')?.state, { timeout: 30_000 }).toBe('running')
    const second = edge()
    await pilot.ok(['server', 'upgrade'])
    expect(edge()).not.toBe(second)
    await sleep(isFullCampaign ? 40_000 : 1_000)
    const report = await load.stop()
    tell(`${runtime}, edge upgraded`, report)
    expect(report.failures).toEqual([])
    const lost = report.longLived.filter(({ ended }) => ended === 'lost')
    for (const { openedAt, closedAt } of lost) expect(closedAt! - openedAt).toBeGreaterThan(25_000)
    if (isFullCampaign) expect(lost.length).toBeGreaterThan(0)
  })
}

/** What the app itself has ended was told to by a release, and not before `drain` was over: that cannot have begun before the command did. */
function checkDrain({ startedAt, longLived }: LoadReport, commands: readonly number[]): void {
  for (const { kind, version: of, closedAt, ended } of longLived) {
    if (ended !== 'said' || closedAt === undefined) continue
    const command = commands.findLast((at) => at <= startedAt + closedAt)
    expect(command, `a ${kind} of ${of} ended before anything was released`).toBeDefined()
    expect(startedAt + closedAt - command!, `a ${kind} of ${of}`).toBeGreaterThan(drainMs - 100)
  }
}

const serverPid = async ({ ok }: Pilot): Promise<number> => (await ok(['server', 'status', '--json'])).json<{ server: { pid: number } }>().server.pid

function tell(what: string, { ms, counts, failures, longLived, p50Ms, p99Ms }: LoadReport): void {
  console.log(JSON.stringify({ what, seconds: Math.round(ms / 1000), ...counts, failures: failures.length, lost: longLived.filter(({ ended }) => ended === 'lost').length, p50Ms, p99Ms }))
}
