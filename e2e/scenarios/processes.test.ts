import { execFile } from 'node:child_process'
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

/** What the script prints. */
async function script(name: string, { home, words = [] }: { home: string; words?: readonly string[] }): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@pilot/source', join(root, `examples/scripts/${name}.ts`), ...words], { env: { ...process.env, PILOT_HOME: home, PILOT_RUNTIME: 'process' } })
  return stdout.trim()
}
