import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactReference, DeploymentSpec, FunctionSpec, LogLine, PilotError } from '@pilot/core'
import { processesMarked, serviceStatus } from '@pilot/host'
import { hasOwnUsers } from './process/isolation.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(() => platform?.stop())

const usual: FunctionSpec = { handler: 'index.handler', timeoutMs: 30_000, http: true }

async function build(name: string, files: Readonly<Record<string, string>>, handler = usual.handler): Promise<ArtifactReference> {
  const builder = platform.provider.builders.find(({ target }) => target === 'function')!
  const source = sourceOf(files)
  return builder.build({ app: platform.app(name).identity, ...source, facts: { ...source.facts, handler }, args: {}, signal: noSignal(), log: () => {} })
}

interface More extends Partial<Omit<DeploymentSpec, 'function'>> {
  readonly function?: Partial<FunctionSpec>
}

/** Deployed, with all the traffic. */
async function deploy(name: string, deployment: string, artifact: ArtifactReference, { function: called, ...more }: More = {}) {
  const { identity, engine } = platform.app(name)
  const compute = platform.provider.compute.function!
  const app = compute.app({ app: identity, hostLabel: `${name}.shop` })
  const staged = compute.deployment({ app: identity, deployment, artifact, env: {}, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 1, instances: 3, appOutputs: app.outputs, function: { ...usual, ...called }, ...more })
  const traffic = compute.traffic({ app: identity, hostLabel: `${name}.shop`, weights: [{ deployment, percent: 100, outputs: staged.outputs }], domains: [], appOutputs: app.outputs })
  const outputs = await engine.apply([...app.resources, ...staged.resources, ...traffic.resources])
  return { url: outputs['traffic']!['fallbackUrl'] as string, service: engine.id(`deployment/${deployment}/function`), outputs }
}

const deployCode = async (name: string, code: string, more: More = {}) => deploy(name, 'd1', await build(name, { 'index.mjs': code }), more)

async function logOf(name: string): Promise<readonly string[]> {
  const lines: LogLine[] = []
  for await (const line of platform.provider.compute.function!.logs!({ app: platform.app(name).identity, signal: noSignal() })) lines.push(line)
  return lines.map(({ text }) => text)
}

const invoke = (name: string, event: unknown, deployment = 'd1') => platform.provider.compute.function!.invoke!({ app: platform.app(name).identity, deployment, event: JSON.stringify(event), signal: noSignal() })

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 30))
}

/** Its workers: what carries the mark of its service, without the host itself. */
function workersOf(service: string): readonly number[] {
  const status = serviceStatus(platform.home, service)
  const host = status?.process?.pid
  return host === undefined ? [] : processesMarked(`PILOT_SERVICE=${markOf(host)}`).filter((pid) => pid !== host)
}

function markOf(pid: number): string {
  const environ = existsSync(`/proc/${pid}/environ`) ? readFileSync(`/proc/${pid}/environ`, 'utf8') : ''
  return /(?:^|\0)PILOT_SERVICE=([^\0]*)/.exec(environ)?.[1] ?? '-'
}

const echo = `export const handler = async (event, context) => {
  console.log('got', event.rawPath ?? 'an event')
  return { statusCode: 201, headers: { 'x-from': 'handler' }, cookies: ['a=1; Path=/', 'b=2'], body: JSON.stringify({ event, remaining: context.getRemainingTimeInMillis(), id: context.awsRequestId, word: process.env.WORD, uid: process.getuid() }) }
}`

describe('a function', () => {
  test('is called with HTTP requests as Lambda function URLs give them, and its answer is sent', async () => {
    const { url, service } = await deployCode('echo', echo, { env: { WORD: 'hello' } })
    const answer = await fetch(`${url}/a%20b?x=1&x=2&y=z`, { method: 'POST', headers: { cookie: 's=1; t=2', 'content-type': 'application/json' }, body: '{"ä":1}' })
    expect([answer.status, answer.headers.get('x-from'), answer.headers.getSetCookie()]).toEqual([201, 'handler', ['a=1; Path=/', 'b=2']])
    const { event, remaining, id, word, uid } = (await answer.json()) as { event: { headers: object }; remaining: number; id: string; word: string; uid: number }
    expect(event).toMatchObject({
      version: '2.0', routeKey: '$default', rawPath: '/a%20b', rawQueryString: 'x=1&x=2&y=z', queryStringParameters: { x: '1,2', y: 'z' }, cookies: ['s=1', 't=2'],
      headers: { 'content-type': 'application/json' }, body: '{"ä":1}', isBase64Encoded: false, requestContext: { http: { method: 'POST', path: '/a%20b', sourceIp: '127.0.0.1' }, stage: '$default' },
    })
    expect(Object.keys(event.headers)).not.toContain('cookie')
    expect(remaining).toBeGreaterThan(20_000)
    expect(word).toBe('hello')
    if (hasOwnUsers()) expect(uid).toBeGreaterThan(0)
    expect(answer.headers.get('x-amzn-requestid')).toBe(id)
    // What it prints stands in the log of the app with the request.
    expect(await logOf('echo')).toContainEqual(expect.stringMatching(new RegExp(`^\\d{4}-.*Z\\t${id}\\tINFO\\tgot /a%20b$`)))
    expect(await readFile(join(platform.home.paths.services, `${service}.json`), 'utf8')).not.toContain('hello')
    expect(await platform.provider.compute.function!.status({ app: platform.app('echo').identity, signal: noSignal() })).toMatchObject([{ deployment: 'd1', state: 'running' }])
  })

  test('takes and gives bytes, large bodies, and what is no answer as JSON; larger ones are refused both ways', async () => {
    const { url } = await deployCode('bytes', `export const handler = async (event) => {
      if (event.rawPath === '/plain') return { hello: 'world' }
      if (event.rawPath === '/large') return { statusCode: 200, body: 'x'.repeat(7 * 1024 * 1024) }
      if (event.rawPath === '/wrong') return { statusCode: 200, body: { not: 'a string' } }
      const bytes = Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8')
      return { statusCode: 200, headers: { 'content-type': 'image/png', 'content-length': '3', connection: 'close' }, isBase64Encoded: true, body: bytes.reverse().toString('base64') }
    }`)
    const body = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => index % 251))
    const answer = await fetch(url, { method: 'PUT', body })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.from(body.toReversed()))).toBe(true)
    const plain = await fetch(`${url}/plain`)
    expect([plain.status, plain.headers.get('content-type'), await plain.json()]).toEqual([200, 'application/json', { hello: 'world' }])
    expect((await fetch(`${url}/large`)).status).toBe(502)
    expect((await fetch(`${url}/wrong`)).status).toBe(502)
    expect((await logOf('bytes')).join('\n')).toMatch(/returned more than 6 MB[\s\S]*use JSON\.stringify/)
    expect((await fetch(url, { method: 'POST', body: Buffer.alloc(7 * 1024 * 1024) })).status).toBe(413)
    expect((await fetch(`${url}/plain`)).status).toBe(200)
  })

  test('runs as many at once as it may and no more, each in a process of its own', async () => {
    const { url } = await deployCode('many', `import { setTimeout } from 'node:timers/promises'
    export const handler = async () => { const from = Date.now(); await setTimeout(300); return { pid: process.pid, from, to: Date.now() } }`)
    const answers = (await Promise.all(Array.from({ length: 9 }, async () => (await fetch(url)).json()))) as { pid: number; from: number; to: number }[]
    expect(new Set(answers.map(({ pid }) => pid)).size).toBeLessThanOrEqual(3)
    const most = Math.max(...answers.map((one) => answers.filter(({ from, to }) => from <= one.from && one.from < to).length))
    expect(most).toBeLessThanOrEqual(3)
    // None of the three was busy with two at once.
    for (const one of answers) expect(answers.filter(({ pid, from, to }) => pid === one.pid && from < one.to && one.from < to)).toHaveLength(1)
  })

  test('that throws, ends or takes too long fails that request alone', async () => {
    const { url } = await deployCode('fails', `export const handler = async ({ rawPath }) => {
      if (rawPath === '/throw') throw new TypeError('no such invoice')
      if (rawPath === '/exit') process.exit(3)
      if (rawPath === '/hang') await new Promise(() => setInterval(() => {}, 1000))
      if (rawPath === '/later') setTimeout(() => { throw new Error('too late') }, 50), await new Promise(() => {})
      if (rawPath === '/memory') { const all = []; for (;;) { all.push(Buffer.alloc(10_000_000, 1)); await new Promise((resolve) => setTimeout(resolve, 5)) } }
      return { ok: true }
    }`, { function: { timeoutMs: 1_500 } })
    const statuses = await Promise.all(['/throw', '/exit', '/later', '/ok'].map(async (path) => (await fetch(url + path)).status))
    expect(statuses).toEqual([502, 502, 502, 200])
    const hung = await fetch(`${url}/hang`)
    expect([hung.status, await hung.json()]).toEqual([504, { message: 'The function timed out after 1.5 s' }])
    if (process.platform === 'linux') expect((await fetch(`${url}/memory`)).status).toBe(502)
    expect((await fetch(`${url}/ok`)).status).toBe(200)
    const log = (await logOf('fails')).join('\n')
    for (const text of ['TypeError: no such invoice', 'exit code 3', 'too late', 'timed out after 1.5 s', ...(process.platform === 'linux' ? ['more than its 256 MB'] : [])]) expect(log).toContain(text)
  })

  test('is invoked with any event, and its error comes back', async () => {
    await deployCode('direct', `export const handler = (event, context, callback) => event.bad ? callback(new RangeError('too many')) : callback(null, { twice: event.n * 2 })`)
    expect(await invoke('direct', { n: 21 })).toMatchObject({ payload: '{"twice":42}' })
    expect(await invoke('direct', { bad: true })).toMatchObject({ error: { type: 'RangeError', message: 'too many' } })
    await expect(invoke('direct', {}, 'other')).rejects.toMatchObject({ code: 'NOT_ALLOWED_NOW' })
    await expect(invoke('direct', { large: 'x'.repeat(7_000_000) })).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('nobody but Pilot calls it with events of their own', async () => {
    const { url } = await deployCode('closed', `export const handler = async (event) => ({ version: event.version ?? 'none' })`)
    const answer = await fetch(url, { method: 'POST', headers: { 'x-pilot-function-token': 'a'.repeat(64) }, body: '{"Records":[]}' })
    expect(await answer.json()).toEqual({ version: '2.0' })
    const { url: events } = await deployCode('events', `export const handler = async () => 'done'`, { function: { http: false } })
    expect((await fetch(events)).status).toBe(404)
    expect(await invoke('events', {})).toMatchObject({ payload: '"done"' })
  })

  test('that cannot be loaded is unhealthy, with the reason and what to try', async () => {
    const error = async (files: Readonly<Record<string, string>>, handler?: string) =>
      (await deploy('bad', 'd1', await build('bad', files, handler), { ...(handler === undefined ? {} : { function: { handler } }) }).catch((thrown: unknown) => thrown)) as PilotError
    expect(await error({ 'index.mjs': `import 'no-such-package'; export const handler = () => 1` })).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('no-such-package') })
    await platform.app('bad').engine.destroy()
    expect(await error({ 'index.js': `exports.other = () => 1` })).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('exports no function handler; it exports'), suggestion: expect.stringContaining('after the last dot') })
    await platform.app('bad').engine.destroy()
    expect(await error({ 'index.mjs': `process.exit(4)` })).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('exit code 4') })
    await platform.app('bad').engine.destroy()
    expect(await error({ 'main.py': 'import nothing_of_that_name\ndef handler(e, c): pass\n' }, 'main.handler')).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('nothing_of_that_name') })
    const builder = platform.provider.builders.find(({ target }) => target === 'function')!
    expect(builder.fits({ files: ['index.js'], text: () => undefined })).toBeUndefined()
    expect(builder.fits({ files: ['index.js'], text: () => undefined, handler: 'src/index.handler' })).toBeUndefined()
  })

  test('in CommonJS, TypeScript and Python', async () => {
    const node = await deploy('cjs', 'd1', await build('cjs', { 'src/index.js': `module.exports = { api: { get: async () => ({ common: true }) } }` }, 'src/index.api.get'), { function: { handler: 'src/index.api.get' } })
    expect(await (await fetch(node.url)).json()).toEqual({ common: true })
    const typed = await deploy('typed', 'd1', await build('typed', { 'index.ts': `export const handler = async (event: { rawPath: string }): Promise<object> => ({ path: event.rawPath satisfies string })`, 'package.json': '{"type":"module"}' }))
    expect(await (await fetch(`${typed.url}/t`)).json()).toEqual({ path: '/t' })
    const python = await deploy('python', 'd1', await build('python', { 'app/main.py': 'import logging, os\nlogging.getLogger().setLevel("INFO")\ndef handler(event, context):\n    logging.info("saw %s", event["rawPath"])\n    if event["rawPath"] == "/bad":\n        raise KeyError("invoice")\n    return {"statusCode": 200, "body": os.environ["WORD"] + str(context.get_remaining_time_in_millis() > 1000)}\n' }, 'app/main.handler'), { env: { WORD: 'hi ' }, function: { handler: 'app/main.handler' } })
    expect(await (await fetch(`${python.url}/x`)).text()).toBe('hi True')
    expect((await fetch(`${python.url}/bad`)).status).toBe(502)
    const log = (await logOf('python')).join('\n')
    expect(log).toMatch(/\t[0-9a-f-]{36}\tINFO\tsaw \/x/)
    expect(log).toContain("KeyError: 'invoice'")
  })

  test('a killed host takes its workers with it and comes back; destroyed, nothing of it is left', async ({ skip }) => {
    skip(process.platform !== 'linux', 'marks of processes are read in /proc here')
    const { url, service } = await deployCode('killed', `export const handler = async ({ rawPath }) => { if (rawPath === '/hang') await new Promise(() => setInterval(() => {}, 1000)); return { pid: process.pid } }`)
    const { pid } = (await (await fetch(url)).json()) as { pid: number }
    const open = fetch(`${url}/hang`).then(({ status }) => status, () => 0)
    await until(() => workersOf(service).length > 0)
    const before = workersOf(service)
    expect(before).toContain(pid)
    const host = serviceStatus(platform.home, service)!.process!.pid
    process.kill(host, 'SIGKILL')
    expect(await open).toBe(502)
    await until(() => before.every((each) => !isAlive(each)))
    await until(async () => (await fetch(url).catch(() => undefined))?.status === 200)
    const after = workersOf(service)
    await platform.app('killed').engine.destroy()
    expect([...after, host].filter(isAlive)).toEqual([])
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('a release of a new version fails no request, and what the old one has begun ends', async () => {
  const code = (version: number) => ({ 'index.mjs': `import { setTimeout } from 'node:timers/promises'\nexport const handler = async ({ rawPath }) => { if (rawPath === '/slow') await setTimeout(700); return { version: ${version} } }` })
  const { engine, identity } = platform.app('moves')
  const compute = platform.provider.compute.function!
  const { url } = await deploy('moves', 'd1', await build('moves', code(1)))
  const next = await build('moves', code(2))
  const slow = fetch(`${url}/slow`)
  const statuses: number[] = []
  let isOver = false
  const load = Promise.all([1, 2].map(async () => {
    while (!isOver) statuses.push((await fetch(url)).status)
  }))
  const app = compute.app({ app: identity, hostLabel: 'moves.shop' })
  const spec = (deployment: string, artifact: ArtifactReference): DeploymentSpec => ({ app: identity, deployment, artifact, env: {}, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 1, instances: 3, appOutputs: app.outputs, function: usual })
  const second = compute.deployment(spec('d2', next))
  const traffic = compute.traffic({ app: identity, hostLabel: 'moves.shop', weights: [{ deployment: 'd2', percent: 100, outputs: second.outputs }], domains: [], appOutputs: app.outputs })
  await engine.apply([...app.resources, ...second.resources, ...traffic.resources])
  await compute.drain!({ app: identity, deployments: ['d1'], timeoutMs: 10_000, signal: noSignal() })
  await engine.destroy(['deployment/d1/function'])
  isOver = true
  await load
  expect(await (await slow).json()).toEqual({ version: 1 })
  expect(await (await fetch(url)).json()).toEqual({ version: 2 })
  expect(new Set(statuses)).toEqual(new Set([200]))
})
