import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, root, type Pilot, type Ran } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

/** From `install-cli` to `uninstall` with the usual home, in a user's folder that is made for it. */
let pilot: Pilot
let user: string
let id: string
let platformIds: readonly string[]
const docker = new Docker()
const hasDocker = await docker.ping().then(() => true, () => false)

const env = () => ({ HOME: user, PILOT_HOME: '', XDG_CONFIG_HOME: '' })
const run = (...words: string[]): Promise<Ran> => pilot.run(words, { env: env() })
const ok = (...words: string[]): Promise<Ran> => pilot.ok(words, { env: env() })

beforeAll(async () => {
  pilot = await openPilot()
  user = join(pilot.folder, 'ada')
  await mkdir(user, { recursive: true })
})
afterAll(async () => {
  if (existsSync(join(user, '.pilot'))) await run('uninstall', '--yes', '--delete-data')
  await pilot[Symbol.asyncDispose]()
})

test('apps of every kind run, the command is installed, and Pilot starts at login', async () => {
  if (hasDocker) await ensureBaseImages(['busybox:latest'])
  const shop = join(user, 'shop')
  await mkdir(join(shop, 'web'), { recursive: true })
  await writeFile(join(shop, 'web/package.json'), '{ "type": "module", "scripts": { "start": "node server.js" } }')
  await writeFile(join(shop, 'web/server.js'), `import { createServer } from 'node:http'\ncreateServer((request, response) => response.end('web')).listen(process.env.PORT, process.env.HOST)\n`)
  const page = hasDocker ? '  page: { image: busybox, port: 8080, command: [httpd, -f, -p, "8080", -h, /etc] }\n' : ''
  await writeFile(join(shop, 'pilot.yaml'), `project: shop\napps:\n  web: { source: ./web, target: process, database: postgres }\n${page}`)
  const up = await ok('up', shop, '--yes')
  expect((await get(up.last)).status).toBeLessThan(500)
  await ok('install-cli')
  expect(existsSync(join(user, '.local/bin/pilot'))).toBe(true)

  const installed = await ok('server', 'install')
  const unit = join(user, '.config/systemd/user/pilot.service')
  expect([installed.stdout.trim(), await readFile(unit, 'utf8')]).toEqual([`Wrote ${unit}`, expect.stringContaining('"server" "start"')])
  expect(installed.stderr).toContain('WantedBy=default.target')
  expect((await ok('server', 'install', '--print')).stdout.trim()).toBe((await readFile(unit, 'utf8')).trim())
  ;({ id } = JSON.parse(await readFile(join(user, '.pilot/home.json'), 'utf8')) as { id: string })
  platformIds = (await ok('status', '--json')).json<{ platforms: { id: string }[] }>().platforms.map((platform) => platform.id)
  expect(platformIds).toHaveLength(1)
})

test('what the unit starts brings back what was stopped', async () => {
  await ok('server', 'stop', '--all', '--yes')
  const line = /^ExecStart=(.*)$/m.exec(await readFile(join(user, '.config/systemd/user/pilot.service'), 'utf8'))![1]!
  const [command, ...args] = [...line.matchAll(/"([^"]*)"/g)].map(([, word]) => word!)
  await promisify(execFile)(command!, args, { env: { PATH: process.env['PATH'], HOME: user, PILOT_HOME: join(user, '.pilot') } })
  const { apps } = (await ok('status', '-p', 'shop', '--json')).json<{ apps: { status: { app: { app: string }; fallbackUrl: string } }[] }>()
  const web = apps.find(({ status }) => status.app.app === 'web')!
  await expect.poll(async () => (await get(web.status.fallbackUrl).catch(() => ({ text: '' }))).text, { timeout: 30_000 }).toBe('web')
})

test('a provider of somebody else is added, offered by setup, and refused when it is none', async () => {
  const folder = join(user, 'shop/pilot-provider-mars')
  await mkdir(folder)
  const zod = join(root, 'node_modules/zod')
  const describe = (pilot: object | undefined) => writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'pilot-provider-mars', version: '1.2.3', type: 'module', exports: './main.js', pilot, peerDependencies: { '@pilot/core': '*' }, dependencies: { zod: `file:${zod}` } }))
  await writeFile(join(folder, 'main.js'), `import * as z from 'zod'\nimport { contractVersion, defineProvider } from '@pilot/core'\nexport default defineProvider({ name: 'mars', title: 'Mars', contract: contractVersion, settings: z.object({}), check: async () => [], connect: async () => ({ kinds: [], close: async () => {} }) })\n`)
  await describe(undefined)
  const refused = await run('provider', 'add', folder, '--yes')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('PROVIDER_UNUSABLE')])
  await describe({ provider: 'mars', contract: 1 })
  expect((await run('provider', 'add', folder)).stderr).toContain('--yes')
  expect((await ok('provider', 'add', folder, '--yes')).stdout).toBe('Installed pilot-provider-mars 1.2.3: Mars\n')
  expect((await ok('provider', 'list')).stdout).toMatch(/mars +Mars +pilot-provider-mars 1\.2\.3/)
  expect((await run('provider', 'add', 'pilot-provider-mars', '--yes')).stderr).toContain('names no version')
  expect((await run('provider', 'add', './nowhere.tgz', '--yes')).stderr).toContain('NOT_FOUND')
})

test('uninstall loses no data without a word for it', async () => {
  for (const words of [['uninstall'], ['uninstall', '--yes']]) {
    const refused = await run(...words)
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes --delete-data')])
  }
  expect(existsSync(join(user, '.pilot/home.json'))).toBe(true)
})

test('uninstall leaves nothing', async () => {
  const gone = await ok('uninstall', '--yes', '--delete-data')
  expect(gone.stdout).toContain(join(user, '.pilot'))
  expect(gone.stdout).toContain('Nothing is left.')
  const [platformId] = platformIds as [string]
  expect(await filesLeft(user)).toEqual([])
  expect(existsSync(`/var/lib/pilot/${id}`)).toBe(false)
  const passwd = await readFile('/etc/passwd', 'utf8')
  expect([passwd.includes(platformId), passwd.includes(id)]).toEqual([false, false])
  const processes = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  expect(processes.filter((command) => command.includes(join(user, '.pilot')) || command.includes(id))).toEqual([])
  if (!hasDocker) return
  const filters = { label: [`pilot.platform=${platformId}`] }
  expect([(await docker.listContainers({ all: true, filters })).length, (await docker.listNetworks({ filters })).length]).toEqual([0, 0])
  expect((await docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag.startsWith(`pilot-${platformId.slice(0, 8)}/`))).toEqual([])
})

test('a second uninstall finds nothing, and that is no error', async () => {
  expect((await ok('uninstall', '--yes')).stdout).toContain('There is nothing of Pilot')
  expect(existsSync(join(user, '.pilot'))).toBe(false)
})

/** What the user's folder holds besides the project and npm's cache. */
async function filesLeft(folder: string): Promise<readonly string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  return files.filter((file) => !['shop', '.npm'].some((other) => file.startsWith(join(folder, other))))
}
