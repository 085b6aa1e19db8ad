import { mkdir, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeTestBuilder, withoutBuildpacks, type TestBuilder } from '../../packages/provider-local/src/testing/buildpacks.ts'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

/** An app that buildpacks build, with a real pack and lifecycle, as a user of them has it. */
const missing = await withoutBuildpacks()
let pilot: Pilot
let vendor: TestBuilder
let app: string
let url: string
/** Every command: the first starts the server, which then has it too. */
const env = () => ({ PATH: `${vendor.path}${delimiter}${process.env['PATH']}`, HOME: vendor.home })

beforeEach(async (context) => {
  await needsDocker(context)
  context.skip(missing !== undefined, missing)
})
beforeAll(async () => {
  pilot = await openPilot()
  if (missing !== undefined || !(await new Docker().ping().then(() => true, () => false))) return
  vendor = await makeTestBuilder()
  app = join(pilot.folder, 'shop')
  await mkdir(join(app, '.git'), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(app, name), text)
})
afterAll(async () => {
  await pilot?.[Symbol.asyncDispose]()
  await vendor?.remove()
})

const up = (...words: string[]) => pilot.run(['up', app, '--yes', ...words], { env: env() })
const artifacts = async () => (await pilot.ok(['releases', '-C', app, '--json'])).json<{ deployments: { artifact: { location: string } }[] }>().deployments.map(({ artifact }) => artifact)
const files = {
  'pilot.yaml': 'project: shop\napps:\n  web:\n    build: buildpack\n',
  'package.json': '{}',
  'server.js': `require('http').createServer((request, response) => response.end('one, ' + process.env.WORD)).listen(process.env.PORT)`,
  'work.js': `console.log('working ' + process.env.WORD); setInterval(() => {}, 1e3)`,
  Procfile: 'web: node server.js\nworker: node work.js\nrelease: node -p 1+1\n',
  '.env': 'TOKEN=secret',
  '.gitignore': 'ignored.txt\n',
  'ignored.txt': 'x',
  '.git/config': 'x',
}

test('`build: buildpack` is built, answers, and has its Procfile beside it', { timeout: 180_000 }, async () => {
  const first = await up()
  expect(first.stderr, first.stderr).toContain('the manifest says buildpack')
  url = first.last
  expect((await get(url)).text).toBe('one, from the buildpack')
  const scale = (await pilot.ok(['scale', 'web', '-C', app, '--json'])).json<{ processes: { process: string; running: number }[] }>()
  expect(scale.processes.map(({ process, running }) => `${process} ${running}`).sort()).toEqual(['web 1', 'worker 1'])
  await expect.poll(async () => (await pilot.ok(['logs', 'web', '-C', app])).stdout, { timeout: 20_000 }).toContain('working from the buildpack')
})

test('the second up changes nothing; a change is a new version', { timeout: 120_000 }, async () => {
  expect((await up()).stderr).toMatch(/unchanged|nothing changed/i)
  await writeFile(join(app, 'server.js'), files['server.js'].replace('one', 'two'))
  expect((await up()).code).toBe(0)
  expect((await get(url)).text).toBe('two, from the buildpack')
  expect((await pilot.ok(['releases', '-C', app, '--json'])).json<{ releases: unknown[] }>().releases).toHaveLength(2)
  await pilot.ok(['rollback', '-C', app, '--yes'])
  expect((await get(url)).text).toBe('one, from the buildpack')
})

test('run and exec have what the buildpacks prepared', { timeout: 60_000 }, async () => {
  for (const command of ['run', 'exec']) expect((await pilot.ok([command, 'web', '-C', app, '--', 'sh', '-c', 'echo "$WORD in $PWD"; ls -a'])).stdout).toMatch(/^from the buildpack in \/workspace\n(?![^]*(ignored|\.git\n|\.env))[^]*server\.js/)
})

test('a source that no buildpack takes leaves what runs as it is', { timeout: 60_000 }, async () => {
  const other = join(pilot.folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'pilot.yaml'), 'project: other\napps:\n  notes:\n    build: { buildpack: true, args: { FLAVOUR: plain } }\n')
  await writeFile(join(other, 'notes.txt'), '')
  const failed = await pilot.run(['up', other, '--yes'], { env: env() })
  expect(failed.code).toBe(1)
  expect(failed.stderr).toMatch(/No buildpack of pilot-test\/builder:\w+ fits the source of other\/notes[^]*fail: pilot\/test@0\.0\.1/)
  expect((await get(url)).text).toBe('one, from the buildpack')
})

test('cancel ends a build with its containers, and leaves what runs as it is', { timeout: 90_000 }, async () => {
  await writeFile(join(app, 'slow'), '')
  const building = up()
  const platform = (await artifacts())[0]!.location.split('/')[0]
  const containers = async (): Promise<number> => (await new Docker().listContainers({ all: true })).filter(({ Mounts }) => Mounts.some(({ Name }) => Name?.startsWith(`pilot-cache-${platform}-shop-web-`))).length
  await expect.poll(containers, { timeout: 30_000 }).toBe(1)
  await pilot.ok(['cancel'])
  expect((await building).code).not.toBe(0)
  expect(await containers()).toBe(0)
  expect((await get(url)).text).toBe('one, from the buildpack')
  await rm(join(app, 'slow'))
})

test('destroy leaves neither images nor caches', { timeout: 60_000 }, async () => {
  const ours = async (): Promise<string[]> => {
    const docker = new Docker()
    const { Volumes } = await docker.listVolumes({ filters: { label: ['pilot.build-cache'] } })
    const caches = (Volumes ?? []).filter(({ Name }) => /^pilot-cache-pilot-[0-9a-f]{8}-shop-web-/.test(Name) && mine.some((platform) => Name.includes(platform)))
    return caches.map(({ Name }) => Name)
  }
  const mine = (await artifacts()).map(({ location }) => location.split('/')[0]!)
  expect(await ours()).toHaveLength(2)
  await pilot.ok(['destroy', '--project', '-C', app, '--yes'])
  expect(await ours()).toEqual([])
  expect(await new Docker().listImages({ filters: { reference: [`${mine[0]}/shop/*`] } })).toEqual([])
})
