import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderOf } from '../../testing/folder.ts'
import { runCommand } from '../../testing/run-command.ts'

test('server status names the processes of apps as their users do', async () => {
  await using home = await folderOf({})
  await writeFile(join(home.path, 'home.json'), JSON.stringify({ format: 1, id: '0'.repeat(32), run: join(home.path, 'run'), reachable: home.path }))
  const services = join(home.path, 'services')
  await mkdir(services)
  const app = { project: 'shop', app: 'web', environment: 'production' }
  const specs = { edge: {}, 'pilot-1f': { app }, 'pilot-2f': { app: { ...app, environment: 'preview-7' }, process: 'mail' } }
  for (const [name, spec] of Object.entries(specs)) await writeFile(join(services, `${name}.json`), JSON.stringify({ name, ...spec }))
  await writeFile(join(services, 'torn.json'), '{ "name"')
  const env = { PILOT_HOME: home.path }
  const { stdout } = await runCommand(['server', 'status'], { env })
  expect(stdout.split('\n').flatMap((line) => /^(\S.*?) {2,}stopped/.exec(line)?.[1] ?? [])).toEqual(['supervisor', 'edge', 'shop/web, production', 'shop/web, preview-7, mail', 'torn'])
  const listed = (JSON.parse((await runCommand(['server', 'status', '--json'], { env })).stdout) as { services: object[] }).services
  expect(listed).toContainEqual({ name: 'pilot-2f', state: 'stopped', app: specs['pilot-2f'].app, process: 'mail' })
})
