import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

/** Hooks tell a page that they ran; their words are in the log of the operation. */
let pilot: Pilot
let folder: string
beforeAll(async () => {
  pilot = await openPilot()
  folder = join(pilot.folder, 'hooked')
  await mkdir(folder)
  await writeFile(join(folder, 'package.json'), '{ "scripts": { "start": "node server.js" } }')
  await writeFile(join(folder, 'tell.sh'), '#!/bin/sh\necho "told $PILOT_HOOK $PILOT_APP $PILOT_VERSION live:$PILOT_LIVE_VERSION url:$PILOT_URL key:$API_KEY"\n', { mode: 0o755 })
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

const write = async (text: string, hooks: string) => {
  await writeFile(join(folder, 'server.js'), `require('node:http').createServer((_, response) => response.end('${text}')).listen(process.env.PORT)`)
  await writeFile(join(folder, 'pilot.yaml'), `project: hooked\napps:\n  web:\n    source: .\n    hooks: ${hooks}\n`)
}

/** The logs of all operations. */
async function told(): Promise<string> {
  const logs = join(pilot.home, 'logs', 'operations')
  return (await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')))).join('')
}

test('hooks run around the phases with what they need to know, and no secret', async () => {
  await write('one', '{ before-deploy: ./tell.sh, after-release: ./tell.sh, after-rollback: ./tell.sh, before-destroy: ./tell.sh }')
  await pilot.ok(['secret', 'set', 'API_KEY', '-C', folder], { input: 'sesame' })
  const first = await pilot.ok(['up', folder])
  expect(await told()).toMatch(/told before-deploy web v1 live: url: key:\n/)
  expect(await told()).toMatch(/told after-release web v1 live: url:http:\S+ key:\n/)
  await write('two', '{ before-release: "sh -c \'echo the page is red; exit 3\'" }')
  const failed = await pilot.run(['up', folder])
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('The hook before-release of hooked/web failed')
  expect(failed.stderr).toContain('the page is red')
  expect((await get(first.last)).text).toBe('one')
  await write('three', '{ after-release: ./missing.sh }')
  expect((await pilot.ok(['up', folder])).stderr).toMatch(/The hook after-release of hooked\/web failed/)
  expect((await get(first.last)).text).toBe('three')
  await pilot.ok(['rollback', 'v1', '-C', folder])
  expect(await told()).toContain('told after-rollback web v1')
  await pilot.ok(['destroy', 'web', '-C', folder, '--yes'])
  expect(await told()).toContain('told before-destroy web v1')
})
