import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { join } from 'node:path'
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
  const script = promisify(execFile)(process.execPath, ['--conditions=@pilot/source', join(root, 'examples/scripts/deploy.ts'), join(pilot.folder, 'todo')], { env: { ...process.env, PILOT_HOME: pilot.home } })
  await expect(script).rejects.toMatchObject({ stderr: expect.stringContaining('MANAGED_BY_SERVER') })
})

test('a script deploys without a server, and the server then leaves that app to it', async () => {
  const alone = await openPilot()
  try {
    const example = await alone.example('todo')
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@pilot/source', join(root, 'examples/scripts/deploy.ts'), example], { env: { ...process.env, PILOT_HOME: alone.home, PILOT_RUNTIME: 'process' } })
    expect(await get(stdout.trim(), '/healthz')).toMatchObject({ status: 200 })
    const refused = await alone.run(['up', example])
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain('MANAGED_BY_SERVER')
  } finally {
    await alone[Symbol.asyncDispose]()
  }
})
