import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Docker from 'dockerode'
import { afterEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

const cleanUp = new AsyncDisposableStack()
afterEach(() => cleanUp.disposeAsync())

const manifest = `project: books
apps:
  api:
    source: .
    secrets: [TOKEN]
    database: { backup: { schedule: "* * * * *", keep: 1 } }
    cron:
      report: { schedule: "* * * * *", run: 'echo "$VERSION reports $TOKEN"' }
      broken: { schedule: "0 0 1 1 *", run: "echo before; exit 3" }
      slow: { schedule: "0 0 1 1 *", run: "echo begun; sleep 600" }
`
/** Answers with its version; \`/bad\` is a 500. */
const program = `require('http').createServer((request, response) => {
  response.statusCode = request.url === '/bad' ? 500 : 200
  response.end(process.env.VERSION)
}).listen(process.env.PORT)
process.on('SIGTERM', () => process.exit())
`
const dockerfile = (version: string): string => `FROM node:24-slim\nWORKDIR /app\nCOPY . .\nENV VERSION=${version} PORT=8080\nEXPOSE 8080\nCMD ["node", "server.js"]\n`

interface Runs {
  readonly runs: readonly { readonly id: string; readonly name: string; readonly by: string; readonly state: string; readonly exitCode?: number }[]
}
interface Backups {
  readonly backups: readonly { readonly by: string }[]
  readonly schedule?: { readonly next?: string }
}

test('an app in a container on a schedule, with backups: at their times, across a killed server; what fails is told', async (context) => {
  await needsDocker(context)
  await ensureBaseImages(['node:24-slim'])
  const pilot = cleanUp.use(await openPilot())
  const { ok, run } = pilot
  const hook = cleanUp.use(await webhook())
  const folder = join(pilot.folder, 'api')
  await mkdir(folder)
  for (const [name, text] of Object.entries({ 'pilot.yaml': manifest, 'server.js': program, Dockerfile: dockerfile('one') })) await writeFile(join(folder, name), text)
  const at = { cwd: folder }
  const runs = async (name: string) => (await ok(['cron', 'history', name, '--json'], at)).json<Runs>().runs

  await ok(['setup', 'local', '--runtime', 'docker', '--yes'], at)
  await ok(['secret', 'set', 'TOKEN'], { ...at, input: 's3same-street' })
  await ok(['notifications', 'add', 'webhook', 'team'], { ...at, input: hook.url })
  const url = (await ok(['up'], at)).last
  await ok(['db', 'backup'], at)

  // One that fails when somebody runs it: its exit code, its output, and word of it.
  expect(await run(['cron', 'run', 'broken'], at)).toMatchObject({ code: 3, stdout: 'before\n' })
  await hook.hears({ event: 'schedule.failed', project: 'books', apps: ['api'], title: 'broken of books/api failed', text: 'exit code 3' })
  expect((await ok(['status'], at)).stdout).toContain('broken failed')
  expect((await ok(['cron', 'logs', 'broken'], at)).stdout).toBe('before\n')

  // The server is killed in the middle of a run: the run ends with it, in the records and in the engine.
  const slow = run(['cron', 'run', 'slow'], at)
  const { platforms } = (await ok(['status', '--json'], at)).json<{ platforms: { id: string }[] }>()
  const docker = new Docker()
  const sleepers = async () => (await docker.listContainers({ filters: { label: [`pilot.platform=${platforms[0]!.id}`] } })).filter(({ Command }) => Command.includes('sleep 600'))
  await until(async () => (await run(['cron', 'logs', 'slow'], at)).stdout === 'begun\n')
  expect(await sleepers()).toHaveLength(1)
  const { services } = (await ok(['server', 'status', '--json'])).json<{ services: { name: string; pid?: number }[] }>()
  process.kill(services.find(({ name }) => name === 'server')!.pid!, 'SIGKILL')
  expect((await slow).code).not.toBe(0)
  await until(async () => (await runs('slow'))[0]?.state === 'interrupted')
  await until(async () => (await sleepers()).length === 0)

  // By their times, which are a minute apart.
  await until(async () => (await runs('report')).some(({ by, state }) => by === 'schedule' && state === 'done'))
  const report = (await ok(['cron', 'logs', 'report'], at)).stdout
  expect(report).toMatch(/^one reports \S+\n$/)
  expect(report).not.toContain('s3same-street')
  const backups = async () => (await ok(['db', 'backups', '--json'], at)).json<Backups>()
  await until(async () => (await backups()).backups.some(({ by }) => by === 'schedule'))
  expect((await backups()).backups.map(({ by }) => by)).toContainEqual(expect.not.stringMatching(/^schedule$/))
  expect((await backups()).schedule?.next).toBeDefined()

  // A canary that does badly goes back, with word of it; the schedule stays with the version before.
  await writeFile(join(folder, 'Dockerfile'), dockerfile('two'))
  await ok(['up', '--canary', '50%'], at)
  const failing = new AbortController()
  const asking = keepAsking(url, failing.signal)
  await hook.hears({ event: 'canary.failed', title: 'The canary of books/api on local failed', by: 'canary', text: expect.stringMatching(/^v2 failed \d+ of \d+ requests .* All of the traffic is back with the version before\.$/) })
  failing.abort()
  await asking
  expect((await get(url)).text).toBe('one')

  await ok(['stop'], at)
  expect((await ok(['cron', '--json'], at)).json<{ schedules: unknown[] }>().schedules).toEqual([])
})

/** The canary fails every request, the version before none: visitors with a low number see the canary. */
async function keepAsking(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await get(url, '/bad', { headers: { cookie: 'pilot-canary=0' } }).catch(() => {})
    await get(url, '/', { headers: { cookie: 'pilot-canary=99' } }).catch(() => {})
    await sleep(50)
  }
}

interface Webhook extends AsyncDisposable {
  readonly url: string
  /** Waits until something like this was told; fails with all that was. */
  hears(expected: Readonly<Record<string, unknown>>): Promise<void>
}

async function webhook(): Promise<Webhook> {
  const told: unknown[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    told.push(JSON.parse(body))
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`,
    hears: (expected) => until(() => expect(told).toContainEqual(expect.objectContaining(expected))),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Until it holds, or throws nothing. */
async function until(check: () => unknown): Promise<void> {
  for (const end = Date.now() + 180_000; ; await sleep(200)) {
    try {
      if ((await check()) !== false) return
    } catch (error) {
      if (Date.now() > end) throw error
    }
    if (Date.now() > end) throw new Error(`It does not come: ${String(check)}`)
  }
}
