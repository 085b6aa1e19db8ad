import type { EventBody, PilotEvent } from '@pilot/core'
import { describe, expect, test } from 'vitest'
import { startCommand } from '../../testing/run-command.ts'
import { appView, emptyStatus, startFakeServer } from '../../testing/fake-server.ts'
import { createStyle } from '../text/style.ts'
import { linesOf, liveLines } from './lines.ts'
import { advance, nextPhases, noProgress, waitingApps, type Progress } from './model.ts'

const style = createStyle({ color: false, unicode: true })
const start = Date.parse('2026-01-02T03:04:05.000Z')
const event = (body: EventBody, ms = 0): PilotEvent => ({ v: 1, at: new Date(start + ms).toISOString(), ...body })
const after = (...bodies: EventBody[]): Progress => bodies.reduce((progress, body) => advance(progress, event(body)), noProgress)
const live = (progress: Progress, { ms = 12_000, rows = 20, logLine }: { ms?: number; rows?: number; logLine?: string } = {}) => liveLines(progress, { style, nameWidth: 3, now: start + ms, frame: '*', rows, ...(logLine === undefined ? {} : { logLine }) })
const lines = (body: EventBody, over: Partial<Parameters<typeof linesOf>[1]> = {}) => linesOf(event(body), { style, form: 'pilot', nameWidth: 3, live: false, action: 'up', ...over })

const upOf = (...apps: string[]): EventBody => ({ type: 'operation.started', action: 'up', platform: 'local', apps })

describe('what is redrawn while it runs', () => {
  test('says what runs, since when, what is usual, what is next, and which apps wait', () => {
    const progress = after(upOf('api', 'web'), { type: 'phase.started', app: 'api', phase: 'build', detail: 'Dockerfile', usualMs: 14_200 })
    expect(live(progress, { logLine: 'Step 4/7 : RUN npm ci\u001b[K' })).toEqual([
      '* api  build    12 s  usually 14.2 s · Dockerfile · next: deploy, release',
      '  │ Step 4/7 : RUN npm ci',
      '  next: web',
    ])
  })

  test('names the step of a phase: n of m where they are known', () => {
    const progress = after(upOf('api'), { type: 'phase.started', app: 'api', phase: 'deploy' }, { type: 'resource', app: 'api', key: 'database', kind: 'local/database', action: 'create', status: 'started', n: 3, of: 7 })
    expect(live(progress)).toEqual(['* api  deploy   12 s  3 of 7: create database · next: release'])
  })

  test('never counts backwards, whatever reports last', () => {
    const step = (key: string, n: number, of: number): EventBody => ({ type: 'resource', app: 'api', key, kind: 'local/x', action: 'create', status: 'waiting', n, of })
    const deploying: EventBody[] = [upOf('api'), { type: 'phase.started', app: 'api', phase: 'deploy' }, step('network', 1, 5), step('container', 4, 5)]
    expect(live(after(...deploying))).toEqual(['* api  deploy   12 s  4 of 5: create container · next: release'])
    expect(live(after(...deploying, step('user', 2, 5)))).toEqual(['* api  deploy   12 s  4 of 5: create user · next: release'])
    expect(live(after(...deploying, step('route', 1, 3)))).toEqual(['* api  deploy   12 s  create route · next: release'])
  })

  test('shows apps that run at the same time, and no more of them than there are rows', () => {
    const progress = after(upOf('a', 'b', 'c'), ...['a', 'b', 'c'].map((app): EventBody => ({ type: 'phase.started', app, phase: 'build' })))
    expect(live(progress)).toHaveLength(3)
    expect(live(progress, { rows: 4 })).toEqual(['* a    build    12 s  next: deploy, release', '* b    build    12 s  next: deploy, release', '  and 1 more'])
  })

  test('is empty when nothing runs', () => {
    expect(live(after(upOf('api'), { type: 'phase.started', app: 'api', phase: 'build' }, { type: 'operation.finished', outcome: 'failed' }))).toEqual([])
  })
})

test('what is next follows from the action', () => {
  const built = after(upOf('api'), { type: 'phase.finished', app: 'api', phase: 'push', outcome: 'done', ms: 1 })
  expect([nextPhases(built, 'api'), nextPhases(after({ type: 'operation.started', action: 'rollback', platform: 'local' }), 'api'), waitingApps(after(upOf('a', 'b'), { type: 'app.released', app: 'a', release: 1, deployment: 'x', url: 'u', changed: false }))]).toEqual([['deploy', 'release'], [], ['b']])
})

describe('what stays', () => {
  test.each<[string, EventBody, string[]]>([
    ['a beginning, without a redrawing terminal', { type: 'phase.started', app: 'api', phase: 'build', usualMs: 3000 }, ['· api  build    started  usually 3.0 s']],
    ['a phase that is done', { type: 'phase.finished', app: 'api', phase: 'deploy', outcome: 'done', ms: 1834, detail: 'v3' }, ['✓ api  deploy   1.8 s  v3']],
    ['a phase with nothing to do', { type: 'phase.finished', app: 'api', phase: 'build', outcome: 'unchanged', ms: 3, detail: 'same source' }, ['= api  build    unchanged  same source']],
    ['a cancelled phase', { type: 'phase.finished', app: 'api', phase: 'build', outcome: 'cancelled', ms: 9000 }, ['! api  build    cancelled after 9.0 s']],
    ['a failed phase', { type: 'phase.finished', app: 'api', phase: 'release', outcome: 'failed', ms: 61_000 }, ['✗ api  release  failed after 1 min 01 s']],
    ['a notice with a command', { type: 'notice', level: 'info', text: 'Set it with `secret set KEY`.\n\u001b[2J' }, ['i Set it with `pilot secret set KEY`.']],
    ['a release', { type: 'app.released', app: 'api', release: 3, deployment: 'v4', url: 'http://127.0.0.1:1', changed: true }, ['✓ api  v4 live at http://127.0.0.1:1']],
    ['no release', { type: 'app.released', app: 'api', release: 3, deployment: 'v4', url: 'http://127.0.0.1:1', changed: false }, ['= api  nothing changed; v4 live at http://127.0.0.1:1']],
    ['a resource within a phase: nothing', { type: 'resource', key: 'network', kind: 'local/network', action: 'create', status: 'done' }, []],
    ['a type that this client does not know', { type: 'app.dreamed' } as unknown as EventBody, ['· app.dreamed']],
  ])('%s', (_, body, expected) => expect(lines(body)).toEqual(expected))

  test('a long line goes on at a word, below its last column', () => {
    const detail = 'there is a package.json with a start script; it runs as a process'
    expect(lines({ type: 'phase.finished', app: 'api', phase: 'build', outcome: 'done', ms: 2000, detail }, { width: 50 })).toEqual(['✓ api  build    2.0 s  there is a package.json', '                with a start script; it runs as a', '                process'])
    expect(lines({ type: 'notice', app: 'api', level: 'warning', text: 'It runs as a process of this machine.' }, { width: 24 })).toEqual(['! api: It runs as a', '  process of this', '  machine.'])
    expect(lines({ type: 'notice', level: 'info', text: 'x'.repeat(40) }, { width: 24 })).toEqual(['i', `  ${'x'.repeat(40)}`])
  })

  test('resources are the lines of setup and destroy', () => {
    expect(lines({ type: 'resource', key: 'edge', kind: 'local/edge', action: 'create', status: 'done', ms: 1000 }, { action: 'setup' })).toEqual(['✓ created edge  1.0 s'])
    expect(lines({ type: 'resource', key: 'db', kind: 'local/database', action: 'delete', status: 'failed', message: 'in use' }, { action: 'destroy-app' })).toEqual(['✗ delete db: in use'])
    expect(lines({ type: 'resource', key: 'db', kind: 'local/database', action: 'keep', status: 'done' }, { action: 'destroy-app' })).toEqual([])
  })
})

test('in a terminal the last lines are replaced in place, and gone at the end', async () => {
  await using server = await startFakeServer({ status: () => ({ ...emptyStatus, apps: [appView()] }) })
  server.script([{ type: 'operation.started', action: 'restart', platform: 'local', apps: ['api'] }, { type: 'phase.started', app: 'api', phase: 'release' }])
  const running = startCommand(['restart', '-p', 'shop'], { terminal: true, env: { PILOT_HOME: server.home, NO_COLOR: '1' } })
  await running.printed('⠋ api  release  0 s')
  server.report({ type: 'phase.finished', app: 'api', phase: 'release', outcome: 'done', ms: 10 })
  server.report({ type: 'operation.finished', outcome: 'done' })
  const { exit, stderr } = await running.done
  expect(exit).toBe(0)
  expect(stderr).toContain('\u001b[?7l⠋ api  release  0 s\n\u001b[?7h')
  expect(screen(stderr)).toEqual(['project shop · app api · environment production · platform local', '✓ api  release  10 ms'])
})

test('what is live is the last line of an app, and a late line of its build is shown nowhere', async () => {
  await using server = await startFakeServer({ status: () => ({ ...emptyStatus, apps: [appView()] }), operationLog: () => 'Successfully tagged shop/api\n' as never })
  server.script([
    { type: 'operation.started', action: 'restart', platform: 'local', apps: ['api'] },
    { type: 'phase.started', app: 'api', phase: 'release' },
    { pauseMs: 400 },
    { type: 'phase.finished', app: 'api', phase: 'release', outcome: 'done', ms: 10 },
    { type: 'app.released', app: 'api', release: 5, deployment: 'v4', url: 'http://127.0.0.1:4110', changed: true },
    { type: 'phase.started', app: 'api', phase: 'drain' },
    { type: 'phase.finished', app: 'api', phase: 'drain', outcome: 'done', ms: 20 },
    { type: 'operation.finished', outcome: 'done' },
  ])
  for (const terminal of [true, false]) {
    const { exit, stderr } = await startCommand(['restart', '-p', 'shop'], { terminal, env: { PILOT_HOME: server.home, NO_COLOR: '1' } }).done
    expect(exit).toBe(0)
    expect(screen(stderr).at(-1)).toBe('✓ api  v4 live at http://127.0.0.1:4110')
    expect(stderr).not.toContain('Successfully')
  }
})

/** What is left on the screen of what was written with "up n rows" and "erase to the end". */
function screen(written: string): string[] {
  const rows: string[] = ['']
  for (const part of written.replaceAll(/\u001b\[\?7[lh]/g, '').split(/(\r\u001b\[\d+A\u001b\[0J|\n)/)) {
    const up = /\u001b\[(\d+)A/.exec(part)
    if (up) rows.splice(rows.length - 1 - Number(up[1]), Infinity, '')
    else if (part === '\n') rows.push('')
    else rows[rows.length - 1] += part
  }
  return rows.filter((row) => row !== '')
}
