import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { startRegistry, type Registry } from '../environments/registry.ts'

/** Apps that are finished images, and apps of a repository that share code. */
let pilot: Pilot
let registry: Registry
let shop: string
let url: string

beforeAll(async () => {
  ;[pilot, registry] = await Promise.all([openPilot(), startRegistry()])
  shop = join(pilot.folder, 'shop')
  await mkdir(shop)
})
afterAll(async () => {
  await pilot?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
})
beforeEach(needsDocker)

const manifest = (...lines: string[]) => writeFile(join(shop, 'pilot.yaml'), ['project: shop', 'apps:', ...lines].join('\n'))
const releases = async () => (await pilot.ok(['releases', '-C', shop, '--json'])).json<{ releases: unknown[]; deployments: { artifact: { origin?: string } }[] }>()

test('an image is pulled by its digest and answers', async () => {
  const digest = await registry.put({ name: 'acme/page', tag: '1', text: 'one' })
  await manifest('  page:', `    image: ${registry.host}/acme/page@${digest}`)
  expect((await pilot.ok(['up', shop, '--plan', '--yes'])).stdout).toContain(`the image ${registry.host}/acme/page@${digest}`)
  const up = await pilot.ok(['up', shop, '--yes'])
  url = up.last
  expect((await get(url)).text).toBe('one')
  expect(up.stderr).not.toMatch(/may move|not applied/)
})

test('the same digest is not asked for again', async () => {
  const before = registry.seen.length
  expect((await pilot.ok(['up', shop])).stderr).toMatch(/unchanged|nothing changed/i)
  expect(registry.seen.length).toBe(before)
})

test('a tag says that it moves, and up follows it', async () => {
  await manifest('  page:', `    image: ${registry.host}/acme/page:1`)
  const [same, digest] = [await pilot.ok(['up', shop]), await registry.put({ name: 'acme/page', tag: '1', text: 'two' })]
  expect(same.stderr).toContain(`${registry.host}/acme/page:1 is a tag, which may move`)
  expect((await releases()).releases).toHaveLength(1)
  const moved = await pilot.ok(['up', shop])
  expect(moved.stderr).toContain(`image: ${registry.host}/acme/page@${digest}`)
  expect((await get(url)).text).toBe('two')
})

test('rollback goes back to the image that was found then', async () => {
  await pilot.ok(['rollback', '-C', shop])
  expect((await get(url)).text).toBe('one')
})

test('an image that cannot be had leaves what runs alone', async () => {
  await manifest('  page:', `    image: ${registry.host}/acme/page:gone`)
  const failed = await pilot.run(['up', shop])
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('IMAGE_UNAVAILABLE')])
  expect((await get(url)).text).toBe('one')
})

test('an image for another architecture is refused before anything is started', async () => {
  await registry.put({ name: 'acme/page', tag: 'foreign', text: 'x', architecture: process.arch === 'x64' ? 'arm64' : 'amd64' })
  await manifest('  page:', `    image: ${registry.host}/acme/page:foreign`)
  const failed = await pilot.run(['up', shop])
  expect([failed.code, failed.stderr]).toEqual([2, expect.stringContaining('WRONG_ARCHITECTURE')])
  expect(failed.stderr).not.toContain('deploy ')
})

test('destroy leaves none of its images', async () => {
  await pilot.ok(['destroy', '--project', '-C', shop, '--yes', '--delete-data'])
  const left = (await new Docker().listImages()).flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])])
  expect(left.filter((name) => name.includes('/shop/page') || name.startsWith(registry.host))).toEqual([])
})

test('apps of one repository are built with what they share, each with a .dockerignore of its own', async () => {
  await ensureBaseImages(['node:24-slim'])
  const mono = join(pilot.folder, 'mono')
  const files: Record<string, string> = {
    'pilot.yaml': 'project: mono\napps:\n  api: { source: ., build: apps/api/Dockerfile }\n  web: { source: ., build: apps/web/Dockerfile }\n',
    'packages/greeting/index.js': `export const greet = (name) => 'hello from ' + name\n`,
    'apps/api/Dockerfile.dockerignore': 'apps/web\n',
    'apps/web/Dockerfile.dockerignore': 'apps/api\n',
  }
  for (const app of ['api', 'web']) {
    files[`apps/${app}/Dockerfile`] = `FROM node:24-slim\nWORKDIR /repository\nCOPY . .\nCMD ["node", "apps/${app}/server.mjs"]\n`
    files[`apps/${app}/server.mjs`] = `import { createServer } from 'node:http'\nimport { existsSync } from 'node:fs'\nimport { greet } from '../../packages/greeting/index.js'\ncreateServer((request, response) => response.end(greet('${app}') + ', api ' + existsSync('apps/api') + ', web ' + existsSync('apps/web'))).listen(process.env.PORT)\n`
  }
  files['packages/greeting/package.json'] = '{ "type": "module" }\n'
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(mono, file, '..'), { recursive: true })
    await writeFile(join(mono, file), text)
  }
  await pilot.ok(['up', mono])
  const { apps } = (await pilot.ok(['status', '-C', mono, '--json'])).json<{ apps: { status: { app: { app: string }; fallbackUrl: string } }[] }>()
  const texts = await Promise.all(apps.map(async ({ status: { app, fallbackUrl } }) => [app.app, (await get(fallbackUrl)).text]))
  expect(Object.fromEntries(texts)).toEqual({ api: 'hello from api, api true, web false', web: 'hello from web, api false, web true' })
})
