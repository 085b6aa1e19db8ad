import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { openHome, type Home } from '@pilot/host'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { openPilot, type Pilot, type Ran, type RunOptions } from '../driver/pilot.ts'
import { leaksIn } from '../driver/secret-forms.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

/**
 * Secrets are planted wherever one may come from, apps do all they can to spread them, and every command is used. Then they are looked
 * for in everything that Pilot keeps, answers and shows. Where one may be:
 *
 * - sealed, in the secret store of the platform and in the specification of a service (`services/`); never readable;
 * - in the environment of the processes of its own app, and of the container of its own app;
 * - in the raw output of the app itself: the engine's log of its container, and files of 0600 (whoever reads them through Pilot gets them masked);
 * - in the answer to who asks for it: `db psql` and the login of the database, `run` and `exec`, the app's own answers;
 * - keys of the home in `keys/`, 0600.
 */
const planted = {
  apiKey: 'pl4nt3d/+k3y "ü" \\ 100%&?= tail-7f3a9c',
  rotated: 'r0tat3d/+k3y-second-value-55e1',
  deadDatabase: 'd3ad-d4tabase-p4ssw0rd-91b',
  functionKey: 'functi0n-k3y-0b7d-secret',
  imported: '1mported-smtp-p4ssword',
  shell: 'sh3ll-environment-t0ken-4c',
  hook: 'h00k-t0ken-in-the-address-8d2e',
}
const hex = (text: string) => Buffer.from(text).toString('hex')

let pilot: Pilot
let home: Home
let project: string
let receiver: Server
let told = ''
const shown: { words: string; text: string }[] = []
/** What is known only after the fact: keys of the home, the password of the database. */
const secrets: Record<string, string> = { ...planted }

beforeAll(async () => {
  pilot = await openPilot()
  // Where the address of a webhook goes; it answers with an error that repeats it.
  receiver = createServer((incoming, response) => {
    incoming.on('data', (chunk: Buffer) => (told += chunk.toString()))
    response.writeHead(500).end(`no ${incoming.url}`)
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  project = await makeProject()
  if (await new Docker().ping().then(() => true, () => false)) await ensureBaseImages(['node:24-slim'])
  await useEverything()
  home = await openHome(pilot.home)
  await noteSecretsOfTheHome()
})
afterAll(async () => {
  receiver?.close()
  await pilot?.[Symbol.asyncDispose]()
})

test('no command shows a secret, in any form', () => {
  expect(shown.length).toBeGreaterThan(45)
  expect(shown.flatMap(({ words, text }) => leaksIn(`\`pilot ${words}\``, text, secrets))).toEqual([])
  expect(shown.some(({ words, text }) => words.startsWith('logs') && text.includes('[redacted]'))).toBe(true)
})

test('no answer of the API holds one', async () => {
  const answers = await allAnswers()
  expect(answers.length).toBeGreaterThan(40)
  expect(answers.flatMap(({ path, text }) => leaksIn(path, text, secrets))).toEqual([])
})

test('no notice holds one', () => {
  expect(told).toContain('operation.failed')
  expect(leaksIn('what the webhook got', told, secrets)).toEqual([])
})

test('nothing that the home keeps holds one, but for the keys and the raw logs of the apps, which only their owner reads', async () => {
  const found: string[] = []
  const folders = [...new Set([home.paths.dir, home.paths.run, home.paths.reachable])]
  for (const folder of folders) {
    for await (const file of filesBelow(folder)) {
      if (file.path.startsWith(`${home.paths.keys}/`)) {
        expect((file.mode & 0o077).toString(8), file.path).toBe('0')
        continue
      }
      const leaks = leaksIn(file.path, await readFile(file.path).catch(() => Buffer.alloc(0)), secrets)
      if (leaks.length > 0 && isRawLog(file.path)) expect((file.mode & 0o077).toString(8), file.path).toBe('0')
      else found.push(...leaks)
    }
  }
  expect(found).toEqual([])
})

test('no table of the server’s database holds one', async () => {
  const rows = await allRows()
  expect(rows.length).toBeGreaterThan(8)
  expect(rows.flatMap(({ table, text }) => leaksIn(table, text, secrets))).toEqual([])
})

test('no process has one in its arguments, and only those of its own app in their environment', async () => {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const read = (name: string): Promise<Buffer> => readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0))
    const [argv, environment] = await Promise.all([read('cmdline'), read('environ')])
    const what = argv.toString().replaceAll('\0', ' ')
    found.push(...leaksIn(`the arguments of ${what}`, argv, secrets))
    if (await isOfAnApp(pid, what)) continue
    found.push(...leaksIn(`the environment of ${what}`, environment, secrets))
  }
  expect(found).toEqual([])
})

test('the Docker engine tells them of the app’s own container only, of no image, network or volume', async (context) => {
  await needsDocker(context)
  const docker = new Docker()
  const containers = await docker.listContainers({ all: true })
  const own = await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).inspect().catch(() => undefined)))
  const images = await Promise.all((await docker.listImages({ all: true })).map(({ Id }) => Promise.all([docker.getImage(Id).inspect(), docker.getImage(Id).history()]).catch(() => undefined)))
  const rest = { images, networks: await docker.listNetworks(), volumes: await docker.listVolumes(), summaries: containers, containers: own.map((each) => each && { ...each, Config: { ...each.Config, Env: [] } }) }
  expect(leaksIn('docker inspect', JSON.stringify(rest), secrets)).toEqual([])
  const holders = own.filter((each) => each !== undefined && leaksIn('', JSON.stringify(each.Config.Env), planted).length > 0)
  expect(holders.every((each) => JSON.stringify(each!.Config.Labels).includes('vault'))).toBe(true)
})

test('no temporary file is left that holds one', async () => {
  const found: string[] = []
  const { stdout } = await promisify(execFile)('find', ['/tmp', '-maxdepth', '2', '-type', 'f', '-newer', join(pilot.folder, 'begin'), '-size', '-1000k', '-name', '*pilot*', '-not', '-path', `${pilot.folder}/*`]).catch(() => ({ stdout: '' }))
  for (const path of stdout.split('\n').filter((each) => each !== '')) found.push(...leaksIn(path, await readFile(path).catch(() => Buffer.alloc(0)), secrets))
  expect(found).toEqual([])
})

/** An app that prints what it was given in every way it can think of, a function that does, a site whose build does, and hooks. */
async function makeProject(): Promise<string> {
  const folder = join(pilot.folder, 'vault')
  const todo = await pilot.example('todo')
  await promisify(execFile)('mv', [todo, join(pilot.folder, 'vault')])
  await writeFile(join(pilot.folder, 'begin'), '')
  await mkdir(join(folder, 'fn'))
  await mkdir(join(folder, 'site'))
  await writeFile(join(folder, '.pilotignore'), 'fn\nsite\n')
  await writeFile(join(folder, 'pilot.yaml'), manifest())
  const spread = `const { API_KEY: key = '', DATABASE_URL: url = '' } = process.env
for (const secret of [key, url, new URL(url || 'a://b').password]) {
  console.log('plain', secret)
  console.error('base64', Buffer.from('u:' + secret).toString('base64'), Buffer.from(secret).toString('base64url'))
  console.log('url', 'http://u:' + encodeURIComponent(secret) + '@host/?key=' + new URLSearchParams({ secret }))
  console.log(JSON.stringify({ secret, env: process.env }))
  console.error(new Error('cannot reach ' + secret, { cause: new Error('refused ' + secret) }))
}
if (process.env.BROKEN === 'yes') { console.error('giving up with ' + key); process.exit(3) }
`
  await writeFile(join(folder, 'src/spread.js'), spread)
  await writeFile(join(folder, 'src/server.js'), `import './spread.js'\n${await readFile(join(folder, 'src/server.js'), 'utf8')}`)
  // The source must not hold the secret itself, or it would rightly be found in the archive of the source.
  const printed = `console.log('building with', Buffer.from('${hex(planted.apiKey)}', 'hex').toString(), 'and', Buffer.from(Buffer.from('${hex(planted.apiKey)}', 'hex').toString()).toString('base64'))\n`
  await writeFile(join(folder, 'print.mjs'), printed)
  await writeFile(join(folder, 'Dockerfile'), (await readFile(join(folder, 'Dockerfile'), 'utf8')).replace('COPY . .', 'COPY . .\nRUN node print.mjs'))
  await writeFile(join(folder, 'notify.sh'), `#!/bin/sh\nnode print.mjs\n`)
  await chmod(join(folder, 'notify.sh'), 0o755)
  await writeFile(join(folder, 'fn/index.mjs'), `console.log('starts with', process.env.API_KEY)
export async function handler(event) {
  console.log('called with', process.env.API_KEY, Buffer.from(process.env.API_KEY).toString('base64'))
  if (event.fail) throw new Error('failed with ' + process.env.API_KEY)
  return { ok: true }
}
`)
  await writeFile(join(folder, 'site/index.html'), 'hello')
  return folder
}

function manifest(more = ''): string {
  return `project: vault
apps:
  web:
    source: .
    health: /healthz
    database: postgres
    secrets: [API_KEY]
    cron: { report: { schedule: "0 6 * * *", run: node src/spread.js } }
    hooks: { after-release: ./notify.sh, before-deploy: ./notify.sh }
    ${more}
  fn: { source: ./fn, function: index.handler, secrets: [API_KEY] }
  site: { source: ./site, static: {} }
`
}

/** Every command that reads or changes something of the project, for people and for programs. */
async function useEverything(): Promise<void> {
  const hookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook/${planted.hook}`
  const env = { MY_SHELL_TOKEN: planted.shell, PGPASSWORD: planted.shell }
  await pilot.ok(['setup', 'local', '--yes'], { env })
  const set = (words: readonly string[], input: string) => use(['secret', 'set', ...words], { input })
  await set(['web', 'API_KEY', '--stage'], planted.apiKey)
  await set(['fn', 'API_KEY', '--stage'], planted.functionKey)
  await use(['notifications', 'add', 'webhook', 'chat'], { input: hookUrl })
  await use(['up', '--yes'], { env })
  await each(['status'], ['logs', 'web', '-n', '500'], ['logs', 'fn', '-n', '500'], ['releases', 'web'], ['env', 'list', 'web'], ['secret', 'list', 'web'], ['db', 'info', 'web'], ['db', 'users', 'web'])
  await use(['env', 'set', 'web', 'COLOUR=blue'])
  await writeFile(join(pilot.folder, 'values.txt'), `SMTP_PASSWORD=${planted.imported}\nREGION=eu\n`)
  await use(['env', 'import', join(pilot.folder, 'values.txt'), '-a', 'web', '--yes', '--secrets', 'SMTP_PASSWORD'])
  await set(['web', 'API_KEY'], planted.rotated)
  await use(['rollback', 'web', '--yes'])
  await use(['db', 'backup', 'web'])
  await each(['db', 'backups', 'web'], ['env', 'history', 'web'], ['env', 'diff', 'web'])
  await use(['db', 'restore', 'web', '--yes'])
  await use(['cron', 'run', 'report', 'web'], {}, { isRaw: true })
  await each(['cron', 'logs', 'report', 'web'], ['cron', 'history', 'report', 'web'], ['cron'])
  await use(['invoke', 'fn', '--data', '{}'])
  await use(['invoke', 'fn', '--data', '{"fail":true}'], {}, { isRaw: true })
  await use(['restart', 'web'])
  await use(['scale', 'web=2'])
  // An app that prints its secrets and ends: the end of its log stands in the error, and goes to the webhook.
  await use(['env', 'set', 'web', 'BROKEN=yes'])
  await each(['up'], ['up', '--json'])
  await use(['env', 'unset', 'web', 'BROKEN'])
  await set(['web', 'DATABASE_URL'], `postgres://app:${planted.deadDatabase}@127.0.0.1:1/nothing`)
  await use(['up'])
  await use(['secret', 'unset', 'web', 'DATABASE_URL'])
  await use(['secret', 'set', 'web', `API_KEY=${planted.apiKey}`], {}, { isTypedByTheUser: true })
  await use(['notifications', 'test', 'chat'])
  await each(['notifications', 'list'], ['history', '--all'], ['jobs'], ['metrics'], ['domains'], ['volumes'], ['doctor'], ['server', 'status'], ['server', 'logs'], ['state', 'history', 'vault/production/web'], ['provider', 'list'], ['queue', 'fn'], ['logs', 'web', '-n', '2000'], ['logs', 'web', '--json'], ['status'], ['releases', 'web'])
}

/** What `--json` prints is what the API answers, but for what commands say themselves. */
async function each(...commands: readonly (readonly string[])[]): Promise<void> {
  for (const words of commands) await use(words)
}

/** `run`, `cron run` and `invoke` show what the app itself answers, by intent: looked at is only what stays of them. */
async function use(words: readonly string[], options: RunOptions = {}, { isRaw = false, isTypedByTheUser = false } = {}): Promise<Ran> {
  const ran = await pilot.run(words, { cwd: project, ...options })
  if (process.env['SHOW']) console.log(`--- ${words.join(' ')} → ${ran.code}\n${ran.stdout.slice(-600)}\n${ran.stderr.slice(-600)}`)
  if (!isRaw) shown.push({ words: isTypedByTheUser ? words.slice(0, 3).join(' ') : words.join(' '), text: `${ran.stdout}\n${ran.stderr}` })
  return ran
}

async function noteSecretsOfTheHome(): Promise<void> {
  for (const name of await readdir(home.paths.keys)) {
    const bytes = await readFile(join(home.paths.keys, name))
    const text = bytes.toString('utf8').trim()
    if (/^[\w+/=-]{16,}$/.test(text)) secrets[`key ${name}`] = text
  }
  const { password } = (await ask('POST', '/v1/apps/vault/production/web/database/login')) as unknown as { password: string }
  if (password !== undefined) secrets['password of the database'] = password
}

const isRawLog = (path: string): boolean => /\/logs\/(pilot-|ended\/)/.test(path)

async function isOfAnApp(pid: string, argv: string): Promise<boolean> {
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '')
  return /src\/server\.js/.test(argv) || /\/function\/\w+\/(main|bootstrap-node)\.ts/.test(argv) || folder === '/app'
}

async function* filesBelow(folder: string): AsyncGenerator<{ path: string; mode: number }> {
  const { stat } = await import('node:fs/promises')
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && entry.name !== 'node_modules') yield* filesBelow(path)
    else if (entry.isFile()) yield { path, mode: (await stat(path).catch(() => ({ mode: 0 }))).mode }
  }
}

/** Over the home's own socket. Streams that do not end by themselves are read until nothing more comes for a moment. */
function ask(method: string, path: string): Promise<Record<string, unknown> & { text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: home.paths.serverSocket, method, path, headers: { 'content-type': 'application/json' } }, (response) => {
      let text = ''
      const done = (): void => {
        clearTimeout(quiet)
        asked.destroy()
        let document: object = {}
        try {
          document = JSON.parse(text) as object
        } catch {}
        resolve({ ...document, text: `${response.statusCode} ${text}` })
      }
      let quiet = setTimeout(done, 1_500)
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        clearTimeout(quiet)
        quiet = setTimeout(done, 1_500)
      })
      response.once('end', done)
    })
    asked.on('error', reject).end()
  })
}

/** Each GET route of the OpenAPI document, for everything that there is to fill in. */
async function allAnswers(): Promise<readonly { path: string; text: string }[]> {
  const { paths } = (await ask('GET', '/v1/openapi.json')) as unknown as { paths: Record<string, Record<string, unknown>> }
  const { entries } = (await ask('GET', '/v1/history?limit=200')) as unknown as { entries: { operation?: string }[] }
  const operations = [...new Set(entries.flatMap(({ operation }) => (operation === undefined ? [] : [operation])))]
  const { runs } = (await ask('GET', '/v1/apps/vault/production/web/runs')) as unknown as { runs: { id: string }[] }
  const { scopes } = (await ask('GET', '/v1/scopes')) as unknown as { scopes: { scope: string }[] }
  const asked: string[] = []
  for (const [path, methods] of Object.entries(paths)) {
    if (!('get' in methods) || /\/(run|exec)$/.test(path)) continue
    const of = path.includes('{app}') ? ['web', 'fn', 'site'].map((app) => path.replace('{project}', 'vault').replace('{environment}', 'production').replace('{app}', app)) : [path]
    for (const each of of) {
      if (each.includes('{id}')) asked.push(...operations.map((id) => each.replace('{id}', id)))
      else if (each.includes('{run}')) asked.push(...runs.map(({ id }) => each.replace('{run}', id)))
      else if (each.includes('{scope}')) asked.push(...scopes.map(({ scope }) => each.replace('{scope}', encodeURIComponent(scope))))
      else asked.push(each === '/v1/events' ? '/v1/events?after=0' : each)
    }
  }
  expect(asked.filter((path) => path.includes('{'))).toEqual([])
  return Promise.all(asked.map(async (path) => ({ path, text: (await ask('GET', path)).text })))
}

/** By the database itself, since what it compresses cannot be found in its files. */
async function allRows(): Promise<readonly { table: string; text: string }[]> {
  const { homeDatabase } = await import('@pilot/server')
  const { default: pg } = await import('pg')
  const client = new pg.Client(await homeDatabase(home))
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(`select table_name as name from information_schema.tables where table_schema = 'public'`)
    const all: { table: string; text: string }[] = []
    for (const { name } of tables) all.push({ table: name, text: (await client.query<{ text: string }>(`select t::text as text from ${name} t`)).rows.map(({ text }) => text).join('\n') })
    return all
  } finally {
    await client.end()
  }
}
