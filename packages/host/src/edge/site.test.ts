import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Home } from '../home/home.ts'
import { writeSiteIndex } from '../site/site-index.ts'
import { endHome, routeTo, temporaryHome } from '../testing/fixtures.ts'
import { edgeMetrics, ensureEdge, putRoute } from './client.ts'

let home: Home
let port: number
let folder: string
const script = `console.log(${JSON.stringify('all work and no play '.repeat(400))})`
const photo = randomBytes(100_000)
const film = randomBytes(400_000)

beforeAll(async () => {
  home = await temporaryHome('site')
  port = (await ensureEdge(home)).port
  folder = await siteOf({ 'index.html': '<h1>home</h1>', 'about.html': '<h1>about</h1>', 'docs/index.html': 'docs', '404.html': 'lost', 'assets/app-3f9a1c2b.js': script, 'photo.jpg': photo, 'film.mp4': film, '.well-known/x': 'y', '.secret': 'never' })
  await putRoute(home, route('web', folder))
})

afterAll(async () => {
  await endHome(home)
  await rm(folder, { recursive: true, force: true })
})

const route = (name: string, at: string, { spa = false, deployment = 'd1' } = {}) => routeTo(name, [], { weights: [{ deployment, percent: 100, upstreams: [{ folder: at, spa }] }] })

async function siteOf(files: Record<string, string | Buffer>): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'pilot-site-'))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(made, 'files', path)), { recursive: true })
    await writeFile(join(made, 'files', path), content)
  }
  await writeSiteIndex(made)
  return made
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function get(path: string, { method = 'GET', host = 'web.acme.localhost', ...headers }: Record<string, string> & { method?: string; host?: string } = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, method, agent: false, headers: { host, ...headers } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
    }).on('error', reject).end()
  })
}

test('pages, folders and what is not there', async () => {
  expect(await get('/')).toMatchObject({ status: 200, body: Buffer.from('<h1>home</h1>'), headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' } })
  expect(await get('/about')).toMatchObject({ status: 200, body: Buffer.from('<h1>about</h1>') })
  expect(await get('/docs')).toMatchObject({ status: 301, headers: { location: '/docs/' } })
  expect(await get('/nowhere')).toMatchObject({ status: 404, body: Buffer.from('lost') })
  expect(await get('/.well-known/x')).toMatchObject({ status: 200, body: Buffer.from('y') })
  expect((await get('/.secret')).status).toBe(404)
  expect((await get('/..%2f..%2fsite.json')).status).toBe(404)
  expect((await get('/', { method: 'POST' })).status).toBe(405)
  const head = await get('/photo.jpg', { method: 'HEAD' })
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '100000', 0])
})

test('small, middling and large files come whole, the first time and again', async () => {
  for (let n = 0; n < 2; n++) {
    const bodies = await Promise.all(['/', '/photo.jpg', '/film.mp4'].map(async (path) => (await get(path)).body))
    expect(bodies.map((body, index) => body.equals([Buffer.from('<h1>home</h1>'), photo, film][index]!))).toEqual([true, true, true])
  }
})

test('hashed files are kept for ever, in the form that the client takes', async () => {
  const plain = await get('/assets/app-3f9a1c2b.js')
  expect(plain).toMatchObject({ status: 200, headers: { 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding', 'content-type': 'text/javascript; charset=utf-8' } })
  expect(plain.body.toString()).toBe(script)
  const br = await get('/assets/app-3f9a1c2b.js', { 'accept-encoding': 'gzip, br' })
  expect([br.headers['content-encoding'], brotliDecompressSync(br.body).toString() === script, br.body.length < script.length / 10]).toEqual(['br', true, true])
  const gzip = await get('/assets/app-3f9a1c2b.js', { 'accept-encoding': 'gzip' })
  expect([gzip.headers['content-encoding'], gunzipSync(gzip.body).toString() === script]).toEqual(['gzip', true])
  expect(new Set([plain, br, gzip].map(({ headers }) => headers.etag)).size).toBe(3)
  expect((await get('/photo.jpg', { 'accept-encoding': 'br' })).headers['content-encoding']).toBeUndefined()
})

test('an ETag saves the way, and a range gives a part', async () => {
  const { headers } = await get('/photo.jpg')
  expect(await get('/photo.jpg', { 'if-none-match': String(headers.etag) })).toMatchObject({ status: 304, body: Buffer.alloc(0) })
  expect(await get('/photo.jpg', { 'if-none-match': '"other"' })).toMatchObject({ status: 200 })
  const part = await get('/photo.jpg', { range: 'bytes=10-19' })
  expect([part.status, part.headers['content-range'], part.body.equals(photo.subarray(10, 20))]).toEqual([206, 'bytes 10-19/100000', true])
  expect((await get('/photo.jpg', { range: 'bytes=200000-' })).status).toBe(416)
  expect((await get('/photo.jpg', { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200)
})

test('the same content has the same ETag in the next deployment, and a release switches everything at once', async () => {
  const next = await siteOf({ 'index.html': '<h1>new</h1>', 'about.html': '<h1>about</h1>' })
  const before = (await get('/about')).headers.etag
  const answers: string[] = []
  let releasing = true
  const load = (async () => {
    while (releasing) answers.push(`${(await get('/')).body.toString()}`)
  })()
  await putRoute(home, route('web', next, { deployment: 'd2' }))
  expect((await get('/')).body.toString()).toBe('<h1>new</h1>')
  releasing = false
  await load
  expect(answers.every((answer) => ['<h1>home</h1>', '<h1>new</h1>'].includes(answer))).toBe(true)
  expect((await get('/about')).headers.etag).toBe(before)
  expect((await get('/nowhere')).headers['pilot-edge']).toBe('404')
  await putRoute(home, route('web', folder))
  await rm(next, { recursive: true })
})

test('an app that routes in the browser gets its page everywhere', async () => {
  const spa = await siteOf({ 'index.html': 'app' })
  await putRoute(home, route('spa', spa, { spa: true }))
  expect(await get('/orders/4711', { host: 'spa.acme.localhost', accept: 'text/html' })).toMatchObject({ status: 200, body: Buffer.from('app') })
  expect((await get('/missing.js', { host: 'spa.acme.localhost' })).status).toBe(404)
  await rm(spa, { recursive: true })
})

test('links and what the index does not name are not served, and a folder that is gone is said', async () => {
  const odd = await mkdtemp(join(tmpdir(), 'pilot-site-'))
  await mkdir(join(odd, 'files'))
  await symlink('/etc/passwd', join(odd, 'files', 'passwd'))
  expect(await writeSiteIndex(odd)).toEqual({ version: 1, files: {} })
  await writeFile(join(odd, 'files', 'later.txt'), 'x')
  await putRoute(home, route('odd', odd))
  for (const path of ['/passwd', '/later.txt']) expect((await get(path, { host: 'odd.acme.localhost' })).status).toBe(404)
  await rm(odd, { recursive: true })
  await putRoute(home, route('gone', odd))
  expect(await get('/', { host: 'gone.acme.localhost' })).toMatchObject({ status: 502, headers: { 'pilot-edge': 'the files of the site cannot be read' } })
})

test('requests to a site are counted as those to an app', async () => {
  const metrics = (await edgeMetrics(home))!.routes['web']!['d1']!
  expect(metrics.open).toBe(0)
  expect(metrics.requests).toBeGreaterThan(10)
  expect(metrics.statuses['2']).toBeGreaterThan(5)
})
