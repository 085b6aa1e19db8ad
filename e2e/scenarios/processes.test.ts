import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, root, type Pilot } from '../driver/pilot.ts'

/** The main job without Docker, and beside a script. */
let pilot: Pilot
beforeAll(async () => void (pilot = await openPilot()))
afterAll(() => pilot?.[Symbol.asyncDispose]())

test('without Docker an app runs as a supervised process, and up says that this is no isolation', async () => {
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  const up = await pilot.ok(['up', await pilot.example('todo')])
  expect(up.stderr).toMatch(/isolat/i)
  expect(await get(up.last, '/healthz')).toMatchObject({ status: 200 })
})

test('what the server manages, a script may not deploy', async () => {
  await expect(script('deploy', { home: pilot.home, words: [join(pilot.folder, 'todo')] })).rejects.toMatchObject({ stderr: expect.stringContaining('MANAGED_BY_SERVER') })
})

test('a script deploys without a server, and the server then leaves that app to it', async () => {
  const alone = await openPilot()
  try {
    const example = await alone.example('todo')
    const url = await script('deploy', { home: alone.home, words: [example] })
    expect(await get(url, '/healthz')).toMatchObject({ status: 200 })
    const refused = await alone.run(['up', example])
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain('MANAGED_BY_SERVER')
    expect(await script('destroy', { home: alone.home })).toBe('Nothing is left.')
  } finally {
    await alone[Symbol.asyncDispose]()
  }
})

test('from CI a script waits for nobody to answer, and a phase of its own keeps what does not pass it from the traffic', async () => {
  const alone = await openPilot()
  try {
    await expect(script('ci', { home: alone.home, words: [await alone.example('todo')] })).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/^NOT_FOUND: There is no platform yet\n/) })
    const example = await alone.example('todo')
    await script('deploy', { home: alone.home, words: [example] })
    expect(await script('ci', { home: alone.home, words: [example] })).toMatch(/web build: unchanged after \d+ ms\n[^]*web: v1 was live already at http/)

    await writeFile(join(example, 'src/extra.js'), 'export const answer = 42\n')
    await expect(script('smoke-test', { home: alone.home, words: [example, '/api/todos', '/nothing-here'] })).rejects.toMatchObject({ stderr: expect.stringContaining('/nothing-here of v2 answered 404') })
    const url = await script('smoke-test', { home: alone.home, words: [example, '/api/todos', '/healthz'] })
    expect(await get(url, '/healthz')).toMatchObject({ status: 200 })
    expect(await script('destroy', { home: alone.home })).toBe('Nothing is left.')
  } finally {
    await alone[Symbol.asyncDispose]()
  }
})

test('a site is built with what its lockfile names, routes in the browser, and goes back as a whole', async () => {
  const example = await pilot.example('site')
  const first = await pilot.ok(['up', example])
  const page = await get(first.last, '/about')
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining('<main>') })
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(page.text)![1]!
  expect(await get(first.last, script)).toMatchObject({ status: 200, text: expect.stringContaining('Hello from Pilot') })
  await writeFile(join(example, 'pilot.yaml'), (await readFile(join(example, 'pilot.yaml'), 'utf8')).replace('Hello from Pilot', 'Good day'))
  const second = await pilot.ok(['up', example])
  const changed = /src="(\/assets\/[^"]+\.js)"/.exec((await get(second.last, '/')).text)![1]!
  expect((await get(second.last, changed)).text).toContain('Good day')
  expect((await get(second.last, script)).status).toBe(404)
  await pilot.ok(['rollback', '-C', example])
  expect((await get(second.last, script)).text).toContain('Hello from Pilot')
})

/** What the script prints. */
async function script(name: string, { home, words = [] }: { home: string; words?: readonly string[] }): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@pilot/source', join(root, `examples/scripts/${name}.ts`), ...words], { env: { ...process.env, PILOT_HOME: home, PILOT_RUNTIME: 'process' } })
  return stdout.trim()
}
