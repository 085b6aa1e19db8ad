import { PilotError } from '@pilot/core/errors'
import { afterEach, expect, test, vi } from 'vitest'
import { at, emptyStatus, appView, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand } from '../../testing/run-command.ts'

const servers: FakeServer[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function run(argv: string[], answers: Parameters<typeof startFakeServer>[0], env: Record<string, string> = {}) {
  const server = await startFakeServer(answers)
  servers.push(server)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(at) + 5 * 60_000 })
  return { ...(await runCommand(argv, { env: { PILOT_HOME: server.home, ...env } })), server }
}

const job = (over: object) => ({ id: 'job-1', operation: 'op-1', action: 'up', scope: 'app/shop/api/production', platform: 'local', app: { project: 'shop', app: 'api', environment: 'production' }, state: 'done', attempt: 1, after: [], by: 'ada@laptop', createdAt: at, startedAt: at, cancelRequested: false, ...over })
const record = (over: object) => ({ app: { project: 'shop', app: 'api', environment: 'production' }, at, createdAt: at, by: 'ada@laptop', kind: 'release', ...over })

const status = () => {
  const live = { ...appView(), status: { ...appView().status, release: record({ number: 3 }), deployment: record({ id: 'd3', number: 3 }), instances: [{ deployment: 'd3', instance: 'a', state: 'running', memoryBytes: 64 * 1024 ** 2 }, { deployment: 'd3', instance: 'b', state: 'starting' }] } }
  const stopped = { ...appView({ app: 'web' }), status: { ...appView({ app: 'web' }).status, state: 'stopped', url: undefined }, job: job({ action: 'start', state: 'queued' }) }
  const jobs = [job({ state: 'running', action: 'rollback' })]
  return { platforms: [{ id: '1', name: 'local', provider: 'local', state: 'unusable', problem: 'its provider is not installed', createdAt: at, settings: {} }], apps: [live, stopped], jobs } as never
}

test('status shows what runs where, what is under way, and what is wrong', async () => {
  const { exit, stdout } = await run(['status', '--all'], { status })
  expect(exit).toBe(0)
  expect(stdout).toBe(
    [
      'shop · production · local',
      '  APP  STATE                   VERSION  RELEASED       MEMORY  URL',
      '  api  live 1/2                v3       5 minutes ago  64 MB   http://api.shop.localhost:4110',
      '  web  stopped (start queued)',
      '',
      '· rollback api running for 5 min 00 s',
      '',
      '! platform local is unusable: its provider is not installed',
      '',
    ].join('\n'),
  )
})

test('metrics shows all apps in a table, and one app with how it went', async () => {
  const figures = { seconds: 900, requests: 1800, errors: 9, p50Ms: 3.2, p95Ms: 48, p99Ms: 1200, cpu: 0.25, memoryBytes: 64 * 1024 ** 2, instances: 1 }
  const points = [10, 20, 40].map((minute, index) => ({ ...figures, at: new Date(Date.parse(at) - 60_000 * (55 - minute)).toISOString(), requests: 100 * (index + 1), seconds: 100 }))
  const answers: Parameters<typeof run>[1] = { status, metrics: ({ params }) => ((params as { app: string }).app === 'api' ? { total: figures, points } : { points: [] }) }
  const all = await run(['metrics', '-p', 'shop'], answers)
  expect(all.stdout).toBe(['APP  REQUESTS  ERRORS     P50     P95    CPU   MEMORY', 'api  1800      9 (0.5 %)  3.2 ms  48 ms  25 %  64 MB', 'web  -         -          -       -      -     -', 'the last 1 h 00 min', ''].join('\n'))
  const one = await run(['metrics', 'api', '-p', 'shop'], answers)
  expect(one.stdout.split('\n')[0]).toMatch(/^requests {2}1800, 2\.0\/s +▃ {4}▆ {9}█$/u)
  expect(one.stdout).toContain('p50 3.2 ms, p95 48 ms, p99 1.2 s')
  expect(one.server.seen.find(({ name }) => name === 'metrics')?.query).toMatchObject({ seconds: '3600' })
  expect(JSON.parse((await run(['metrics', 'api', '-p', 'shop', '--json'], answers)).stdout)).toMatchObject({ app: 'api', total: { requests: 1800 } })
  expect(await run(['metrics', 'api', '-p', 'shop', '--since', '30d'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('eight days') })
})

test('status names what could not be asked or read, once for all apps that it is true of', async () => {
  const stopped = { code: 'ENGINE_STOPPED', message: 'The engine does not answer', suggestion: 'Start it.' }
  const damaged = { code: 'STATE_CORRUPT', message: '00000002.json cannot be read', reason: 'it is cut off', suggestion: 'See `state restore VERSION`.' }
  const apps = [{ ...appView(), problem: stopped }, { ...appView({ app: 'web' }), problem: stopped }, { ...appView({ app: 'old' }), problem: damaged }]
  const { stdout } = await run(['status', '--all'], { status: () => ({ ...emptyStatus, apps }) as never })
  expect(stdout).toMatch(/! api, web: The engine does not answer\n  Start it\.\n! old: 00000002\.json cannot be read: it is cut off\n  See `.*state restore VERSION`\./)
})

test('status --json is one document, as the server gave it', async () => {
  const { stdout, stderr } = await run(['status', '--all', '--json'], { status })
  expect(JSON.parse(stdout)).toMatchObject({ platforms: [{ name: 'local' }], apps: [{ status: { app: { app: 'api' } } }, {}], jobs: [{ action: 'rollback' }] })
  expect(stderr).toBe('')
})

test('status of nothing says how to begin', async () => {
  expect((await run(['status', '--all'], { status: () => emptyStatus }, { PILOT_INVOKED_AS: 'npm start --' })).stdout).toContain('`npm start -- up DIR` deploys a folder.')
})

test('no colour reaches a program, and FORCE_COLOR asks for it', async () => {
  expect((await run(['status', '--all'], { status })).stdout).not.toContain('\u001b')
  expect((await run(['status', '--all'], { status }, { FORCE_COLOR: '1' })).stdout).toContain('\u001b[32m')
  expect((await run(['status', '--all'], { status }, { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain('\u001b')
})

test('jobs', async () => {
  const jobs = () => ({ jobs: [job({ state: 'queued', waitsFor: 'a runner', startedAt: undefined }), job({ state: 'failed', error: { code: 'BUILD_FAILED', message: '', suggestion: '' }, finishedAt: '2026-01-02T03:04:09.500Z' }), job({ state: 'running', cancelRequested: true, app: undefined, action: 'setup' })] }) as never
  const { stdout, server } = await run(['jobs', '--all', '-n', '3'], { jobs })
  expect(stdout).toBe(
    [
      'JOB   ACTION  APP       STATE                 STARTED        TOOK        BY',
      'op-1  up      shop/api  queued: a runner      5 minutes ago              ada@laptop',
      'op-1  up      shop/api  failed: BUILD_FAILED  5 minutes ago  4.5 s       ada@laptop',
      'op-1  setup   local     cancelling            5 minutes ago  5 min 00 s  ada@laptop',
      '',
    ].join('\n'),
  )
  expect(server.seen.at(-1)!.query).toEqual({ limit: '3' })
  expect((await run(['jobs', '--all', '-n', 'x'], { jobs })).exit).toBe(2)
})

test('releases mark the one that has the traffic, and list what is staged', async () => {
  const source = { digest: 'sha256:0', commit: '0123456789abcdef', message: 'Sell more\nthings', dirty: true }
  const answers = {
    status: () => ({ ...emptyStatus, apps: [appView()] }),
    releases: () => ({ releases: [record({ number: 2, deployment: 'd1', kind: 'rollback' }), record({ number: 1, deployment: 'd1' })], deployments: [record({ id: 'd1', number: 1, source })], current: 2 }),
    deployments: () => ({ deployments: [record({ id: 'd2', number: 2, source }), record({ id: 'd1', number: 1, source })], unreleased: ['d2'] }),
  } as never
  expect((await run(['releases', '-p', 'shop'], answers)).stdout).toBe(
    [
      'RELEASE  VERSION  KIND          WHEN           BY          COMMIT',
      '  -      v2       not released  5 minutes ago  ada@laptop  0123456+changes Sell more',
      '* 2      v1       rollback      5 minutes ago  ada@laptop  0123456+changes Sell more',
      '  1      v1       release       5 minutes ago  ada@laptop  0123456+changes Sell more',
      '',
    ].join('\n'),
  )
  expect(JSON.parse((await run(['releases', '-p', 'shop', '--json'], answers)).stdout)).toMatchObject({ current: 2, releases: [{ number: 2 }, { number: 1 }], staged: [{ id: 'd2' }] })
})

test('releases show as not released only what never was, in its place, and no more than were asked for', async () => {
  const minute = (number: number) => new Date(Date.parse(at) + number * 60_000).toISOString()
  const deployments = [4, 3, 2, 1].map((number) => record({ id: `d${number}`, number, createdAt: minute(number) }))
  const releases = [record({ number: 3, deployment: 'd4', at: minute(4) }), record({ number: 2, deployment: 'd2', at: minute(2) }), record({ number: 1, deployment: 'd1', at: minute(1) })]
  const answers = {
    status: () => ({ ...emptyStatus, apps: [appView()] }),
    releases: ({ query }: { query: { limit: string } }) => ({ releases: releases.slice(0, Number(query.limit)), deployments, current: 3 }),
    deployments: ({ query }: { query: { limit: string } }) => ({ deployments: deployments.slice(0, Number(query.limit)), unreleased: ['d3'] }),
  } as never
  const shown = async (...argv: string[]) => (await run(['releases', '-p', 'shop', ...argv], answers)).stdout.trimEnd().split('\n').slice(1).map((line) => line.slice(0, 32).trimEnd())
  expect(await shown()).toEqual(['* 3      v4       release', '  -      v3       not released', '  2      v2       release', '  1      v1       release'])
  expect(await shown('-n', '2')).toEqual(['* 3      v4       release', '  -      v3       not released'])
  expect((await run(['releases', '-p', 'shop', '-n', 'x'], answers)).exit).toBe(2)
})

test('logs cannot act on the terminal; --json keeps every field', async () => {
  const line = (instance: string, text: string) => ({ deployment: 'd1', instance, stream: 'stdout', at, text, cursor: '1' })
  const answers = { status: () => ({ ...emptyStatus, apps: [appView()] }), logs: () => [line('a', 'one'), line('b', '\u001b]52;c;ZXZpbA==\u0007two\u001b[2J')] as never }
  expect((await run(['logs', '-p', 'shop'], answers)).stdout).toBe('one\nd1/1 two\n')
  expect((await run(['logs', '-p', 'shop', '--timestamps'], answers)).stdout).toBe(`${at} one\n${at} d1/1 two\n`)
  const json = (await run(['logs', '-p', 'shop', '--json'], answers)).stdout
  expect(json).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  expect(json.trimEnd().split('\n').map((text) => (JSON.parse(text) as { instance: string }).instance)).toEqual(['a', 'b'])
})

test('logs are searched as they are shown, also where a logger colours them', async () => {
  const line = (text: string) => ({ deployment: 'd1', instance: 'a', stream: 'stdout', at, text, cursor: '1' })
  const answers = { status: () => ({ ...emptyStatus, apps: [appView()] }), logs: () => [line('\u001b[31mERROR\u001b[39m no \u001b[1mdatabase\u001b[22m'), line('\u001b[32minfo\u001b[39m fine')] as never }
  expect((await run(['logs', '-p', 'shop', '--level', 'error'], answers)).stdout).toBe('ERROR no database\n')
  expect((await run(['logs', '-p', 'shop', '-g', 'no database'], answers)).stdout).toBe('ERROR no database\n')
})

test('logs of all apps come in the order of their times, each line with its app; never deployed ones are left out', async () => {
  const line = (text: string, minute: number) => ({ deployment: 'd1', instance: 'a', stream: 'stdout', at: new Date(Date.parse(at) + minute * 60_000).toISOString(), text, cursor: String(minute) })
  const lines: Record<string, object[]> = { api: [line('WARN slow', 1), line('listening', 3)], web: [line('{"level":"error","msg":"no api"}', 2), line('no API yet', 4)] }
  const answers = {
    status: () => ({ ...emptyStatus, apps: [appView(), appView({ app: 'web' }), appView({ app: 'new' })] }),
    logs: ({ params }: { params: { app: string } }) => {
      if (params.app === 'new') throw new PilotError('NOT_ALLOWED_NOW', 'new has no logs')
      return lines[params.app]
    },
  } as never
  const shown = async (...argv: string[]) => (await run(['logs', '-p', 'shop', ...argv], answers)).stdout.trimEnd().split('\n')
  expect(await shown()).toEqual(['api WARN slow', 'web {"level":"error","msg":"no api"}', 'api listening', 'web no API yet'])
  expect(await shown('-n', '1')).toEqual(['web no API yet'])
  expect(await shown('-g', 'no api')).toEqual(['web {"level":"error","msg":"no api"}', 'web no API yet'])
  expect(await shown('--level', 'warn')).toEqual(['api WARN slow', 'web {"level":"error","msg":"no api"}'])
  expect(await shown('api', '-g', 'LISTEN')).toEqual(['listening'])
  expect((await shown('--json')).map((text) => (JSON.parse(text) as { app: string }).app)).toEqual(['api', 'web', 'api', 'web'])
  expect(await run(['logs', '-p', 'shop', '-g', '('], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('regular expression') })
  expect(await run(['logs', 'new', '-p', 'shop'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('new has no logs') })
  expect(await run(['logs', '-p', 'shop', '--deployment', 'v1'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('Name one: api, web, new.') })
})

test('logs of a range are all of it, as they come; a time that is none is refused before anything is asked', async () => {
  const line = (text: string, minute: number) => ({ deployment: 'd1', instance: 'a', stream: 'stdout', at: new Date(Date.parse(at) + minute * 60_000).toISOString(), text, cursor: String(minute) })
  const lines: Record<string, object[]> = { api: [{ ...line('… 12 lines dropped …', 0), stream: 'pilot' }, ...Array.from({ length: 150 }, (_, index) => line(`api ${index}`, index * 2))], web: Array.from({ length: 150 }, (_, index) => line(`web ${index}`, index * 2 + 1)) }
  const answers = {
    status: () => ({ ...emptyStatus, apps: [appView(), appView({ app: 'web' }), appView({ app: 'new' })] }),
    logs: ({ params }: { params: { app: string } }) => {
      if (params.app === 'new') throw new PilotError('NOT_ALLOWED_NOW', 'new has no logs')
      return lines[params.app]
    },
  } as never
  const since = await run(['logs', '-p', 'shop', '--since', '2h', '--until', '1h'], answers)
  expect(since.stdout.trimEnd().split('\n')).toHaveLength(301)
  expect(since.stdout.split('\n').slice(0, 4)).toEqual(['api … 12 lines dropped …', 'api api 0', 'web web 0', 'api api 1'])
  const asked = since.server.seen.find(({ name }) => name === 'logs')!.query as { since: string; until: string; tail?: string }
  expect(Date.parse(asked.until) - Date.parse(asked.since)).toBe(3600_000)
  expect(asked.tail).toBeUndefined()
  expect((await run(['logs', '-p', 'shop', '--since', '2h', '-n', '2', '-g', 'api'], answers)).stdout).toBe('api api 148\napi api 149\n')
  for (const argv of [['--since', 'yesterday'], ['--since', '1h', '--until', '2h'], ['--until', '1h', '-f']]) {
    const refused = await run(['logs', '-p', 'shop', ...argv], answers)
    expect(refused.exit).toBe(2)
    expect(refused.server.seen.some(({ name }) => name === 'logs')).toBe(false)
  }
})

test('lines of several instances begin with short names, from the first line on', async () => {
  const line = (deployment: string, instance: string) => ({ deployment, instance, stream: 'stdout', at, text: 'hello', cursor: '1' })
  const instances = ['pilot-b', 'pilot-a'].map((instance) => ({ deployment: 'd5', instance, state: 'running' }))
  const answers = {
    status: () => ({ ...emptyStatus, apps: [appView()] }),
    app: () => ({ ...appView(), status: { ...appView().status, instances } }),
    deployments: () => ({ deployments: [record({ id: 'd5', number: 5 }), record({ id: 'd4', number: 4 })], unreleased: [] }),
    logs: () => [line('d4', 'pilot-old'), line('d5', 'pilot-b'), line('d5', 'pilot-a')],
  } as never
  expect((await run(['logs', '-p', 'shop'], answers)).stdout).toBe('v4/0 hello\nv5/1 hello\nv5/0 hello\n')
})

test('open says that an app of workers listens nowhere', async () => {
  const { url: _, fallbackUrl: __, ...status } = appView().status
  const answers = { status: () => ({ ...emptyStatus, apps: [appView()] }), app: () => ({ ...appView(), status: { ...status, state: 'live' } }) } as never
  expect(await run(['open', '-p', 'shop'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('api has no address: it consists of processes that listen nowhere.') })
})

test('open says that a stopped app has no address', async () => {
  const answers = { status: () => ({ ...emptyStatus, apps: [appView()] }), app: () => ({ ...appView(), status: { ...appView().status, state: 'stopped', url: undefined } }) as never }
  expect(await run(['open', '-p', 'shop'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('api has no address: it is stopped.') })
})

test('doctor lists findings with their fixes, and fails when one is a problem', async () => {
  const findings = [{ about: 'local', id: 'docker.engine', status: 'problem', title: 'No Docker engine', fix: 'Install it, or `setup local --runtime process`.' }] as const
  const ran = await run(['doctor'], { doctor: () => ({ findings: [...findings] }) })
  expect(ran.exit).toBe(1)
  expect(ran.stdout).toContain('local\n  ✗ No Docker engine\n    Fix Install it, or `pilot setup local --runtime process`.\n')
  expect(ran.stderr).toBe('1 problem\n')
  expect(JSON.parse((await run(['doctor', '--json'], { doctor: () => ({ findings: [] }) })).stdout)).toMatchObject({ findings: [{ about: 'machine', id: 'node.version', status: 'ok' }, {}, {}, {}] })
})

test('a server that is newer and knows more codes and events is understood', async () => {
  const ran = await run(['status', '--all', '--json'], { status: () => { throw Object.assign(new Error(), {}) } })
  expect(ran.exit).toBe(1)
  expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'INTERNAL' } })
})
