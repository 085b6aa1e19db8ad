import type { EventBody } from '@pilot/core'
import { PilotError } from '@pilot/core/errors'
import { routes, type RouteName } from '@pilot/server/contract'
import { afterAll, describe, expect, test } from 'vitest'
import { startFakeServer } from '../testing/fake-server.ts'
import { folderOf, shopManifest } from '../testing/folder.ts'
import { evil, forbidden, hostileAnswer, type Hostility } from '../testing/hostile.ts'
import { runCommand } from '../testing/run-command.ts'
import { commandTable, type CommandName } from './command-table.ts'
import { loadCommand } from './commands/index.ts'

/** Why a command is not run here: it acts on this machine, or its output is not ours. */
const left: Partial<Record<CommandName, string>> = {
  'init': 'asks no server',
  'import': 'asks no server; its own tests print a hostile file',
  'install-cli': 'acts on this machine',
  'completion': 'prints what stands in the sources',
  'help': 'prints what stands in the sources',
  'run': 'its output is that of the command, raw by intent',
  'exec': 'its output is that of the command, raw by intent',
  'cron run': 'its output is that of the command: see command-streams.test.ts',
  'db psql': 'starts the psql of this machine',
  'domains trust': 'acts on this machine',
  'server start': 'acts on processes',
  'server stop': 'acts on processes',
  'server upgrade': 'acts on processes',
  'server install': 'acts on this machine',
  'server uninstall': 'acts on this machine',
  'uninstall': 'acts on this machine',
}

/** What is typed; a command without a row is typed with the app alone, or with nothing where it takes none. */
const typed: Partial<Record<CommandName, readonly (readonly string[])[]>> = {
  'setup': [[], ['local', '--plan'], ['local', '--yes']],
  'up': [['--yes'], ['--plan']],
  'deploy': [['api']],
  'release': [['api', 'v1', '--yes', '--no-wait']],
  'rollback': [['api', 'v1', '--yes'], ['api', '--yes']],
  'cancel': [['local'], []],
  'status': [['--all'], ['api'], []],
  'jobs': [['--all'], []],
  'history': [['--all'], []],
  'metrics': [['api'], []],
  'logs': [['api'], [], ['api', '--timestamps']],
  'open': [['api', '--print']],
  'queue purge': [['api', '--yes']],
  'cron': [[], ['api']],
  'cron history': [['--app', 'api'], ['local', '--app', 'api']],
  'cron logs': [['local', '--app', 'api']],
  'scale': [['api'], ['api', '2', '--yes']],
  'env set': [['api', 'KEY=value', '--yes']],
  'env unset': [['api', 'KEY', '--yes']],
  'env import': [['api', '.env', '--yes'], ['api', '.env', '--plan']],
  'env diff': [['api']],
  'env restore': [['api', '1', '--yes']],
  'secret set': [['api', 'KEY', '--from-file', '.env', '--yes']],
  'secret unset': [['api', 'KEY', '--yes']],
  'db backups delete': [['api', 'local', '--yes']],
  'db restore': [['api', 'local', '--yes'], ['api', '--undo', '--yes']],
  'volumes delete': [['api', 'local', '--yes']],
  'domains': [[], ['api']],
  'domains renew': [['local']],
  'domains ca': [[]],
  'doctor': [[]],
  'state history': [['api'], ['--of-platform']],
  'state restore': [['api', '1', '--yes']],
  'state forget': [['api', 'local', '--yes']],
  'notifications add': [['webhook', 'local', '--from-file', '.env']],
  'notifications list': [[]],
  'notifications test': [['local']],
  'notifications remove': [['local', '--yes']],
  'provider list': [[]],
  'provider add': [['somebody@1.0.0', '--yes']],
  'server status': [[]],
  'server logs': [[]],
  'destroy': [['api', '--yes'], ['--platform', 'local', '--yes']],
}

const names = { app: 'api', project: 'shop', environment: 'production', platform: 'local' }
/** Every answer has one of the name that was typed. */
const known = { ...names, url: 'http://evil/', id: 'local', name: 'local', key: 'local', domain: 'local', provider: 'local' }
/** What the fake server plays itself, and without which no command would begin. */
const played: readonly RouteName[] = ['info', 'shutdown', 'startOperation', 'operation', 'operationEvents', 'cancelOperation']
const error = { code: 'UNHEALTHY', message: evil, reason: evil, suggestion: evil, details: { log: [evil, evil] } } as const

/** One of each, as an operation reports them. */
const events: readonly EventBody[] = [
  { type: 'operation.started', action: 'up', project: evil, environment: evil, platform: evil, apps: [evil] },
  { type: 'phase.started', app: evil, phase: 'build', detail: evil },
  { type: 'resource', app: evil, key: evil, kind: evil, action: 'create', status: 'failed', message: evil },
  { type: 'resource', key: evil, kind: evil, action: 'delete', status: 'done', ms: 1 },
  { type: 'notice', app: evil, level: 'warning', text: evil },
  { type: 'phase.finished', app: evil, phase: 'build', outcome: 'failed', ms: 1, detail: evil, error },
  { type: 'app.staged', app: evil, deployment: evil, address: evil },
  { type: 'app.released', app: evil, release: 1, deployment: evil, url: evil, fallbackUrl: evil, changed: true, canary: { percent: 5, stable: evil } },
  { type: evil } as never,
  { type: 'operation.finished', outcome: 'failed', error },
]
const done: EventBody = { type: 'operation.finished', outcome: 'done', url: evil, result: { url: evil } }

const cases: readonly { title: string; hostility?: Hostility; outcome: readonly EventBody[] }[] = [
  { title: 'every text of every answer but the names that were typed', hostility: { keep: known, choice: 0 }, outcome: events },
  { title: 'the same with the other choice of each', hostility: { keep: known, choice: 1 }, outcome: [...events.slice(0, -1), done] },
  { title: 'every text of every answer', hostility: { keep: {}, choice: 0 }, outcome: [done] },
  { title: 'every error', outcome: events },
]

const folder = await folderOf({ 'pilot.yaml': shopManifest, 'api/Dockerfile': 'FROM scratch\n', 'web/Dockerfile': 'FROM scratch\n', '.env': 'KEY=value\n' })
afterAll(() => folder[Symbol.asyncDispose]())

const runs = await Promise.all(
  commandTable.map(({ name }) => name).filter((name) => left[name] === undefined).map(async (name) => {
    const { without = [], arguments: taken = [] } = await loadCommand[name]()
    const shared = (['project', 'environment', 'platform'] as const).flatMap((each) => (without.includes(each) ? [] : [`--${each}`, names[each]]))
    return (typed[name] ?? [taken.length === 0 ? [] : ['api']]).map((words) => [...name.split(' '), ...words, ...shared.filter((word, index) => !(words.includes('--platform') && (word === '--platform' || shared[index - 1] === '--platform')))])
  }),
).then((all) => all.flat())

describe.each(cases)('hostile: $title', ({ hostility, outcome }) => {
  test.each([
    ['without colours', [], {}],
    ['with colours', [], { FORCE_COLOR: '1' }],
    ['as JSON', ['--json'], {}],
  ] as const)('nothing that a terminal acts on is printed, %s', async (form, more, env) => {
    const answers = Object.fromEntries((Object.keys(routes) as RouteName[]).filter((name) => !played.includes(name)).map((name) => [name, () => answerTo(name, hostility)]))
    await using server = await startFakeServer(answers as never)
    server.script(outcome)
    const bad: string[] = []
    let shown = 0
    for (const argv of runs) {
      const { stdout, stderr } = await within(argv, runCommand([...argv, ...more], { env: { PILOT_HOME: server.home, HOME: server.home, ...env }, cwd: folder.path }))
      const text = `${stdout}${stderr}`
      const ours = form === 'with colours' ? text.replaceAll(/\u001b\[(?:1|2|22|31|32|33|36|39)m/g, '') : text
      if (forbidden.test(ours)) bad.push(`${argv.join(' ')}: ${JSON.stringify(around(ours))}`)
      if (form === 'as JSON') for (const document of documentsIn(stdout)) if (!isJson(document)) bad.push(`${argv.join(' ')}: no JSON: ${document.slice(0, 200)}`)
      if (text.includes('evil')) shown++
    }
    expect(bad).toEqual([])
    // Else the answers did not reach what prints them.
    expect(shown).toBeGreaterThan(runs.length / 2)
  }, 60_000)
})

test('nor by what is redrawn while an operation runs in a terminal', async () => {
  await using server = await startFakeServer({ ...Object.fromEntries((['status', 'app'] as const).map((name) => [name, () => hostileAnswer(name, { keep: known, choice: 0 })])), operationLog: () => `${evil}\n` as never })
  server.script([...events.slice(0, 3), { pauseMs: 300 }, ...events.slice(3)])
  const { stderr } = await within(['restart'], runCommand(['restart', 'api', '-p', 'shop'], { terminal: true, env: { PILOT_HOME: server.home, TERM: 'xterm' } }))
  const redrawn = /\u001b\[\?7[lh]|\r\u001b\[\d+A\u001b\[0J/g
  expect(stderr).toMatch(redrawn)
  expect(stderr.replaceAll(redrawn, '').replaceAll(/\u001b\[(?:1|2|22|31|32|33|36|39)m/g, '')).not.toMatch(forbidden)
  expect(stderr).toContain('evil')
})

function answerTo(name: RouteName, hostility: Hostility | undefined): unknown {
  if (name === 'operationLog') return `${evil}\n`
  if (hostility === undefined) throw new PilotError('BLOCKED', evil, { reason: evil, suggestion: evil, details: { log: [evil] } })
  return hostileAnswer(name, hostility)
}

/** A command that waits for ever is named. */
async function within<T>(argv: readonly string[], running: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${argv.join(' ')} did not end`)), 20_000)
  return await Promise.race([running, promise]).finally(() => clearTimeout(timer))
}

/** A query prints one document, an operation one in each line. */
const documentsIn = (stdout: string): readonly string[] => (stdout.trim() === '' ? [] : isJson(stdout) ? [stdout] : stdout.trim().split('\n'))
const around = (text: string): string => text.slice(Math.max(0, text.search(forbidden) - 60), text.search(forbidden) + 20)

function isJson(text: string): boolean {
  try {
    return JSON.parse(text) !== undefined
  } catch {
    return false
  }
}
