import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootId } from '@pilot/core/process-identity'
import { casesOf } from '@pilot/core/testing'
import { disksAfterCut, marksBefore, writeDisk, type DiskAfterCut, type DiskOperation } from '@pilot/core/testing/power'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readFacts, writeFacts } from '../logs/log-facts.ts'
import { serviceKey } from '../supervisor/service-key.ts'
import { readStatus, writeStatus } from '../supervisor/status.ts'
import { makeSure, readJsonSync, readOrCreate, removeFile, replaceJson } from './files.ts'
import { openHome } from './home.ts'
import { pathsOf } from './paths.ts'
import { reservedPorts, reservePort } from './ports.ts'

const disk = await vi.hoisted(async () => (await import('@pilot/core/testing/power')).installRecordedDisk())

/** The power goes while the files of a home are written; each disk that may be left is written out and read. */
let root: string
let folders = 0
beforeAll(async () => void (root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pilot-home-power-'))))
afterAll(() => rmSync(root, { recursive: true }))

/** What somebody was told: from then on it must be so. */
type Fact = { readonly file: string; readonly is: unknown }

async function everyDisk({ run, look, most = 150 }: { run: (dir: string, promise: (fact: Fact) => void) => Promise<void> | void; look: (dir: string, facts: readonly Fact[]) => Promise<void> | void; most?: number }): Promise<void> {
  const dir = join(root, `recorded-${folders++}`)
  disk.record(dir)
  // The folder itself is safe; it is there for those who write below it.
  mkdirSync(dir, { recursive: true })
  await run(dir, (fact) => disk.mark(fact))
  const operations: readonly DiskOperation[] = disk.stop()
  const states: readonly DiskAfterCut[] = casesOf([...disksAfterCut(operations, { tears: 6 })], most)
  expect(states.length).toBeGreaterThan(5)
  for (const state of states) {
    const cut = join(root, `cut-${folders++}`)
    writeDisk(cut, { ...state, tree: afterReboot(state.tree) })
    try {
      await look(cut, marksBefore<Fact>(operations, state.at))
    } catch (error) {
      throw new Error(`power cut after ${state.at} of ${operations.length} operations (${state.how}): ${(error as Error).message}`, { cause: error })
    } finally {
      rmSync(cut, { recursive: true, force: true })
    }
  }
}

/** Another boot: what names a process of before names none now. */
const afterReboot = (tree: DiskAfterCut['tree']): DiskAfterCut['tree'] => new Map([...tree].map(([name, content]) => [name, content && Buffer.from(content.toString('latin1').replaceAll(bootId(), '0'.repeat(bootId().length)), 'latin1')]))

const newest = (facts: readonly Fact[], file: string): unknown => facts.findLast((fact) => fact.file === file)?.is

test('what is written to last is there, old or new, and what was deleted stays deleted', async () => {
  await everyDisk({
    run(dir, promise) {
      mkdirSync(join(dir, 'a/b'), { recursive: true })
      const file = join(dir, 'a/b/spec.json')
      for (const version of [1, 2]) {
        replaceJson(file, { version, text: 'x'.repeat(600) }, { durable: true })
        promise({ file: 'spec', is: version })
      }
      removeFile(file)
      promise({ file: 'spec', is: undefined })
      replaceJson(file, { version: 3 }, { durable: true })
      promise({ file: 'spec', is: 3 })
    },
    look(dir, facts) {
      const found = readJsonSync<{ version: number }>(join(dir, 'a/b/spec.json'))?.version
      const [promised, count] = [newest(facts, 'spec'), facts.length]
      expect([promised, ...[1, 2, undefined, 3].slice(count, count + 1)]).toContain(found)
    },
  })
})

test('a key that anybody has seen is the same after it', async () => {
  await everyDisk({
    run(dir, promise) {
      mkdirSync(join(dir, 'keys'), { recursive: true })
      const paths = pathsOf({ dir, run: join(dir, 'run'), reachable: dir })
      promise({ file: 'services', is: serviceKey(paths).toString('hex') })
      promise({ file: 'password', is: readOrCreate(join(dir, 'keys/password'), () => 'one').toString() })
      promise({ file: 'password', is: readOrCreate(join(dir, 'keys/password'), () => 'another').toString() })
    },
    look(dir, facts) {
      mkdirSync(join(dir, 'keys'), { recursive: true })
      const key = serviceKey(pathsOf({ dir, run: join(dir, 'run'), reachable: dir }))
      expect(key.length).toBe(32)
      expect(key.toString('hex')).toBe(newest(facts, 'services') ?? key.toString('hex'))
      const password = readOrCreate(join(dir, 'keys/password'), () => 'later').toString()
      expect(newest(facts, 'password') ?? password).toBe(password)
    },
  })
})

test('a home has the identity that it had, with the keys and ports that were given out', async () => {
  const reachables = new Set<string>()
  await everyDisk({
    async run(dir, promise) {
      const home = await openHome(join(dir, 'home'))
      reachables.add(home.paths.reachable)
      promise({ file: 'id', is: home.id })
      promise({ file: 'key', is: serviceKey(home.paths).toString('hex') })
      promise({ file: 'port', is: await reservePort(home, 'edge') })
      await openHome(join(dir, 'home'))
    },
    async look(dir, facts) {
      const home = await openHome(join(dir, 'home'))
      reachables.add(home.paths.reachable)
      expect(newest(facts, 'id') ?? home.id).toBe(home.id)
      expect(newest(facts, 'key') ?? serviceKey(home.paths).toString('hex')).toBe(serviceKey(home.paths).toString('hex'))
      const port = (await reservedPorts(home))['edge']
      expect(newest(facts, 'port') ?? port).toBe(port)
    },
  })
  for (const folder of reachables) if (folder.startsWith('/var/lib/pilot/')) rmSync(folder, { recursive: true, force: true })
})

test('what is not flushed, a status and the facts of a log, is whole or as if it was not there', async () => {
  const status = { name: 'web', state: 'running', revision: 'r', since: 'now', restarts: 0 } as const
  await everyDisk({
    run(dir) {
      const paths = pathsOf({ dir, run: join(dir, 'run'), reachable: dir })
      mkdirSync(paths.serviceStatus, { recursive: true })
      makeSure(paths.serviceStatus)
      writeStatus(paths, status)
      writeStatus(paths, { ...status, state: 'stopping' })
      writeFacts(join(dir, 'app.log'), { start: 5, base: 5, dropped: [], gaps: [] })
    },
    look(dir) {
      const paths = pathsOf({ dir, run: join(dir, 'run'), reachable: dir })
      expect([undefined, 'running', 'stopping']).toContain(readStatus(paths, 'web')?.state)
      expect([0, 5]).toContain(readFacts(join(dir, 'app.log')).start)
      expect(readdirSync(dir).filter((name) => name.endsWith('.facts')).length).toBeLessThan(2)
    },
  })
})
