import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { withoutDocker } from '../../packages/provider-local/src/testing/needs-docker.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

/** A store of words that must not be opened twice: it refuses to start while another one has it. Says `version` before what it holds. */
const server = (version: string) => `
const fs = require('node:fs'), path = require('node:path')
const folder = process.env.VOLUME_DATA, lock = path.join(folder, 'lock'), words = path.join(folder, 'words')
if (fs.existsSync(lock)) { console.error('two writers'); fs.appendFileSync(path.join(folder, 'words'), ' TWO-WRITERS') }
fs.writeFileSync(lock, 'mine')
process.on('SIGTERM', () => { fs.rmSync(lock); process.exit(0) })
require('node:http').createServer((request, response) => {
  if (request.method === 'POST') fs.appendFileSync(words, request.url)
  response.statusCode = ${version === 'sick' ? "request.url === '/healthz' ? 503 : 200" : '200'}
  response.end('${version}' + (fs.existsSync(words) ? fs.readFileSync(words) : ''))
}).listen(process.env.PORT)
`

for (const runtime of ['process', 'docker'] as const) {
  const isMissing = runtime === 'docker' && withoutDocker !== undefined
  describe(`an app with a volume, as ${runtime === 'docker' ? 'containers' : 'processes'}`, () => {
    beforeEach(({ skip }) => skip(isMissing, withoutDocker))
    let pilot: Pilot
    let folder: string
    beforeAll(async () => {
      if (isMissing) return
      if (runtime === 'docker') await ensureBaseImages(['node:24-slim'])
      pilot = await openPilot()
      folder = join(pilot.folder, 'words')
      await mkdir(folder)
      await writeFile(join(folder, 'package.json'), '{ "scripts": { "start": "node server.js" } }')
      if (runtime === 'docker') await writeFile(join(folder, 'Dockerfile'), 'FROM node:24-slim\nCOPY server.js /app/\nUSER node\nCMD ["node", "/app/server.js"]\n')
      await pilot.ok(['setup', 'local', '--runtime', runtime, '--yes'])
    })
    afterAll(() => pilot?.[Symbol.asyncDispose]())

    const volumes = runtime === 'docker' ? '{ data: /var/lib/words }' : '{ data: {} }'
    const write = async (version: string, keys = `volumes: ${volumes}`) => {
      await writeFile(join(folder, 'server.js'), server(version))
      await writeFile(join(folder, 'pilot.yaml'), `project: words\napps:\n  store:\n    source: .\n    health: { path: /healthz, grace: 3s }\n    command: node ${runtime === 'docker' ? '/app/' : ''}server.js\n    ${keys}\n`)
    }
    let url = ''
    const say = (path: string, method = 'GET') => get(url, path, { method }).then(({ text }) => text)

    test('what it wrote is there in the next version, which nobody who asked had to wait for in vain', async () => {
      await write('one')
      url = (await pilot.ok(['up', folder])).last
      expect(await say('/a', 'POST')).toBe('one/a')
      await write('two')
      let over = false
      const asking = (async () => {
        const seen: string[] = []
        while (!over) seen.push(await get(url, '/').then(({ status, text }) => `${status} ${text}`))
        return seen
      })()
      await pilot.ok(['up', folder])
      over = true
      expect(new Set(await asking)).toEqual(new Set(['200 one/a', '200 two/a']))
      expect(await say('/b', 'POST')).toBe('two/a/b')
    })

    test('an unhealthy version puts the old one back', async () => {
      await write('sick')
      const failed = await pilot.run(['up', folder])
      expect(failed.code).toBe(4)
      expect(failed.stderr).toContain('v2 runs again')
      expect(await say('/')).toBe('two/a/b')
      expect(await pilot.ok(['env', 'list', '-C', folder])).toMatchObject({ stdout: expect.stringContaining('VOLUME_DATA') })
    })

    test('rollback, restart and a one-off command have it too', async () => {
      await pilot.ok(['rollback', '-C', folder])
      expect(await say('/')).toBe('one/a/b')
      await pilot.ok(['restart', '-C', folder])
      expect(await say('/')).toBe('one/a/b')
      expect((await pilot.ok(['run', '-C', folder, '--', 'sh', '-c', 'cat $VOLUME_DATA/words'])).stdout).toBe('/a/b')
      const { volumes: listed } = (await pilot.ok(['volumes', 'list', '-C', folder, '--json'])).json<{ volumes: { volume: string; inUse: boolean; bytes?: number }[] }>()
      expect(listed).toMatchObject([{ volume: 'data', inUse: true, bytes: expect.any(Number) }])
    })

    test('destroy keeps it and says where, the next up finds it; what the manifest drops is kept until it is deleted', async () => {
      expect((await pilot.ok(['destroy', 'store', '-C', folder, '--yes'])).stderr).toMatch(/volume/)
      await write('three')
      url = (await pilot.ok(['up', folder])).last
      expect(await say('/')).toBe('three/a/b')
      expect((await pilot.run(['volumes', 'delete', 'store', 'data', '-C', folder, '--yes'])).stderr).toContain('has the volume data')
      await writeFile(join(folder, 'server.js'), `require('node:http').createServer((_, response) => response.end('none')).listen(process.env.PORT)`)
      await writeFile(join(folder, 'pilot.yaml'), `project: words\napps:\n  store:\n    source: .\n    command: node ${runtime === 'docker' ? '/app/' : ''}server.js\n`)
      expect((await pilot.ok(['up', folder])).stderr).toContain('volumes delete store data')
      expect((await pilot.ok(['volumes', 'list', '-C', folder])).stdout).toMatch(/data\s+kept/)
      await pilot.ok(['volumes', 'delete', 'store', 'data', '-C', folder, '--yes'])
      expect((await pilot.ok(['volumes', 'list', '-C', folder])).stdout).toContain('no volumes')
    })

    test('with --delete-data it goes', async () => {
      await write('four')
      url = (await pilot.ok(['up', folder])).last
      await say('/c', 'POST')
      await pilot.ok(['destroy', 'store', '-C', folder, '--delete-data', '--yes'])
      url = (await pilot.ok(['up', folder])).last
      expect(await say('/')).toBe('four')
    })
  })
}
