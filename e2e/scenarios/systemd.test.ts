import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openMachine, whyNoMachine, type SystemdMachine } from '../environments/systemd-machine.ts'

/** `server install` on a machine with systemd, an ordinary user who lingers, and apps as processes. */
const reason = await whyNoMachine()
let machine: SystemdMachine
let url: string

beforeAll(async () => {
  if (reason === undefined) machine = await openMachine()
})
afterAll(() => machine?.[Symbol.asyncDispose]())
beforeEach(({ skip }) => skip(reason !== undefined, reason))

const server = `
import { createServer } from 'node:http'
import pg from '/opt/pilot/node_modules/pg/lib/index.js'
const db = new pg.Pool({ connectionString: process.env.DATABASE_URL })
await db.query('CREATE TABLE IF NOT EXISTS notes (text text)')
createServer(async (request, response) => {
  if (request.method === 'POST') await db.query("INSERT INTO notes VALUES ('kept')")
  response.end('notes: ' + (await db.query('SELECT count(*) FROM notes')).rows[0].count)
}).listen(process.env.PORT, process.env.HOST)
`

test('an app with data runs, and the unit takes over what was started from a shell', async () => {
  await machine.root('loginctl', 'enable-linger', 'ada')
  await machine.ada(`mkdir notes && cd notes && echo '{ "type": "module", "scripts": { "start": "node server.js" } }' > package.json
printf 'project: notes\\napps:\\n  web: { source: ., target: process, database: postgres }\\n' > pilot.yaml
cat > server.js <<'END'${server}END
pilot setup local --runtime process --yes`)
  url = (await machine.ada('pilot up notes --yes')).trim().split('\n').at(-1)!
  expect(await ask('POST')).toBe('notes: 1')
  const supervisor = await supervisorPid()
  await machine.ada('pilot server install')
  expect(await stateOfUnit()).toBe('active')
  expect(await supervisorPid()).not.toBe(supervisor)
  expect(await outsideOfUnit()).not.toContain('supervisor/main')
  expect(await ask()).toBe('notes: 1')
})

test('after a reboot everything is back before anybody logs in', async () => {
  await machine.reboot()
  expect(await ask()).toBe('notes: 1')
  expect((await machine.root('loginctl', 'list-sessions', '--no-legend')).trim()).toBe('')
  expect(await outsideOfUnit()).toBe('')
  const journal = await machine.ada('journalctl --user -u pilot --boot=-1 -o cat')
  expect(journal).toContain('Everything of this home is stopped. Nothing was deleted.')
})

test('and after a power failure, again and again', async () => {
  for (let round = 0; round < 3; round++) {
    await machine.losePower()
    expect(await ask()).toBe('notes: 1')
  }
  await expect.poll(stateOfUnit, { timeout: 60_000 }).toBe('active')
})

test('systemctl stops everything in order, starts and restarts it', async () => {
  await machine.ada('systemctl --user stop pilot')
  expect([await stateOfUnit(), await inUnit()]).toEqual(['inactive', ''])
  expect(await machine.ada('systemctl --user show -p Result --value pilot')).toBe('success\n')
  expect(await machine.ada('pilot server status --json')).not.toContain('"state": "running"')
  await machine.ada('systemctl --user start pilot')
  expect(await ask()).toBe('notes: 1')
  await machine.ada('systemctl --user restart pilot')
  expect([await ask(), await outsideOfUnit()]).toEqual(['notes: 1', ''])
})

test('a supervisor that was killed is back, in the unit', async () => {
  const before = await supervisorPid()
  await machine.root('kill', '-KILL', before)
  // Not before it has the lock does anybody know of it.
  await expect.poll(async () => (await machine.ada('pilot server status')).match(/^supervisor +running +(\d+)/m)?.[1] ?? before, { timeout: 30_000 }).not.toBe(before)
  expect(await outsideOfUnit()).toBe('')
})

test('an upgrade from a shell leaves all of it in the unit', async () => {
  const before = await supervisorPid()
  await machine.root('touch', ...['host/src/supervisor', 'host/src/edge', 'server/src'].map((folder) => `/opt/pilot/packages/${folder}/main.ts`))
  expect(await machine.ada('pilot server upgrade')).toMatch(/edge: .*\nsupervisor: .*\nserver: /)
  expect(await supervisorPid()).not.toBe(before)
  expect([await ask(), await outsideOfUnit()]).toEqual(['notes: 1', ''])
})

test('what a command stops and starts is what systemd sees', async () => {
  await machine.ada('pilot server stop --all --yes')
  expect(await stateOfUnit()).toBe('inactive')
  await machine.ada('pilot status')
  expect([await stateOfUnit(), await ask(), await outsideOfUnit()]).toEqual(['active', 'notes: 1', ''])
})

test('uninstall ends the start at login, and nothing that runs', async () => {
  await machine.ada('pilot server uninstall')
  expect(await ask()).toBe('notes: 1')
  await machine.reboot()
  await machine.root('systemctl', 'start', 'user@1000')
  expect(await machine.ada('systemctl --user list-unit-files "pilot*" --no-legend || true')).toBe('')
  expect(await inUnit()).toBe('')
})

/** Waits for an answer: that systemd is done is no word of the apps. */
async function ask(method = 'GET'): Promise<string> {
  const program = `for (const end = Date.now() + 60_000; ; await new Promise((done) => setTimeout(done, 100))) {
    const response = await fetch(process.argv[1], { method: process.argv[2] }).catch(() => undefined)
    if (response?.ok || Date.now() > end) { console.log(response === undefined ? 'no answer' : await response.text()); break }
  }`
  return (await machine.root('node', '--input-type=module', '-e', program, url, method)).trim()
}

const stateOfUnit = async (): Promise<string> => (await machine.ada('systemctl --user show -p ActiveState --value pilot')).trim()
const supervisorPid = async (): Promise<string> => (await machine.root('pgrep', '-u', 'ada', '-of', '^/opt/pilot/.*/supervisor/main')).trim()
const inUnit = async (): Promise<string> => (await processes()).filter(([group]) => group!.includes('/pilot.service')).join('\n')
/** Of all that ada runs but her systemd. */
const outsideOfUnit = async (): Promise<string> => (await processes()).filter(([group]) => !/\/pilot\.service|\/init\.scope|\/dbus\.service/.test(group!)).join('\n')

async function processes(): Promise<string[][]> {
  const lines = await machine.root('ps', '-u', 'ada', '-ww', '-o', 'cgroup:300=,args=')
  return lines.trim().split('\n').map((line) => [line.slice(0, 300), line.slice(300).trim()])
}
