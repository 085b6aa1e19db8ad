import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AnyKind } from '@pilot/core'
import { openHome, removeHome, reservedPorts, stopSupervisor, type Home } from '@pilot/host'
import { connect } from './connect.ts'
import { hasOwnUsers } from './process/isolation.ts'
import { createMiniEngine } from './testing/mini-engine.ts'

let home: Home
beforeEach(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-left-')))
})
afterEach(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
})

const users = async (): Promise<readonly string[]> => (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').filter((line) => line.startsWith('pilot-user-'))

test('the last platform of a home leaves no user, no data, no port and nothing that platforms share', async () => {
  const before = new Set(await readdir(home.paths.reachable))
  let kinds: readonly AnyKind[] = []
  const [one, two] = await Promise.all(['1', '2'].map(async (digit) => {
    const platformId = digit.repeat(32)
    const provider = await connect({ platformId, platformName: digit, settings: { runtime: 'process' }, home: home.dir, secrets: undefined as never })
    kinds = provider.kinds
    const platform = createMiniEngine({ kinds, platformId, scope: 'platform' })
    await platform.apply(provider.platform({ platformId, name: digit }).resources)
    const app = createMiniEngine({ kinds: provider.kinds, platformId, scope: 'app/shop/web/production' })
    await app.apply([{ key: 'user', kind: 'local/app-user', inputs: { system: hasOwnUsers() } }])
    return { platform, app, platformId }
  })) as [Made, Made]
  // As builds leave them.
  for (const name of ['artifacts', 'builds', 'build-cache', 'node']) {
    await mkdir(join(home.paths.reachable, name), { recursive: true })
    await writeFile(join(home.paths.reachable, name, 'file'), '')
  }
  const ours = async () => (await users()).filter((line) => [one, two].some(({ platformId }) => line.includes(platformId)))
  expect(await ours()).toHaveLength(hasOwnUsers() ? 2 : 0)

  await one.app.destroy()
  await one.platform.destroy()
  expect(await readdir(home.paths.reachable)).toEqual(expect.arrayContaining(['apps', 'artifacts', 'build-cache']))
  expect(Object.keys(await reservedPorts(home)).sort()).toEqual(['edge', 'postgres-apps'])
  await two.app.destroy()
  await two.platform.destroy()
  // Also to whoever looks once more for what is left.
  for (const kind of kinds) expect(await kind.list({ platformId: two.platformId, signal: AbortSignal.timeout(10_000) })).toEqual([])
  expect(await reservedPorts(home)).toEqual({})
  expect(await ours()).toEqual([])
  const left = (await readdir(home.paths.reachable)).filter((name) => !before.has(name))
  expect(left.filter((name) => !['run', 'postgres', 'accounts', 'cache', 'ports.json'].includes(name))).toEqual([])
  expect(await readdir(home.paths.postgres)).toEqual([])
}, 60_000)

interface Made {
  readonly platform: ReturnType<typeof createMiniEngine>
  readonly app: ReturnType<typeof createMiniEngine>
  readonly platformId: string
}
