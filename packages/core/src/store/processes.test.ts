import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFileStore } from './file-store.ts'
import { acquireLease } from './lease.ts'
import type { ScopeStore } from './store.ts'

/** Real processes that race for one scope. */
let dir: string
let scope: ScopeStore
const children: ChildProcess[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-race-'))
  scope = createFileStore({ dir }).scope('platform')
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(dir, { recursive: true })
})

describe('several processes', () => {
  it('never win the same swap of the lease', async () => {
    const outputs = await Promise.all(
      Array.from({ length: 6 }, (_, racer) =>
        finished(`
          let won = 0
          while (won < 40) {
            const stored = await scope.lease.read()
            const next = { token: (stored?.token ?? 0) + 1, beat: ${racer}, ttlMs: 1000, holder: { id: '${racer}' } }
            if (await scope.lease.swap(stored, next)) { won++; console.log(next.token) }
          }
        `),
      ),
    )
    const tokens = outputs.flat().map(Number).sort((a, b) => a - b)
    expect(tokens).toEqual(Array.from({ length: 240 }, (_, index) => index + 1))
  })

  it('lose no update when each reads and writes the state under the lease', async () => {
    await Promise.all(
      Array.from({ length: 4 }, () =>
        finished(`
          for (let round = 0; round < 5; round++) {
            await using lease = await acquireLease({ store: scope, title: 'count', waitMs: 60000, ttlMs: 50 })
            const state = await scope.readState()
            const count = Number(state?.managedBy ?? 0) + 1
            await scope.writeState({ format: 1, version: (state?.version ?? 0) + 1, at: 'now', managedBy: String(count), resources: [] }, lease.fence)
          }
        `),
      ),
    )
    expect(await scope.readState()).toMatchObject({ version: 20, managedBy: '20' })
  })

  it('find what was confirmed in the journal of one that was killed, and take its lease at once', async () => {
    const child = start(`
      const lease = await acquireLease({ store: scope, title: 'doomed', ttlMs: 60000 })
      console.log('held')
      for (let seq = 1; ; seq++) {
        await scope.appendJournal({ at: 'now', seq, type: 'deleted', key: 'x'.repeat(500), generation: 1 }, lease.fence)
        console.log(seq)
      }
    `)
    let confirmed = 0
    for await (const line of createInterface(child.stdout!)) {
      confirmed = Number(line) || 0
      if (confirmed === 50) child.kill('SIGKILL')
    }
    // Its output ends a moment before it does.
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const entries = await scope.readJournal()
    expect(entries.length).toBeGreaterThanOrEqual(50)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1))
    expect(entries.length).toBeGreaterThanOrEqual(confirmed)
    const started = performance.now()
    await using lease = await acquireLease({ store: scope, title: 'next' })
    expect(performance.now() - started).toBeLessThan(2000)
    await scope.appendJournal({ at: 'now', seq: 1000, type: 'deleted', key: 'y', generation: 1 }, lease.fence)
    expect((await scope.readJournal()).at(-1)).toMatchObject({ seq: 1000 })
  })

  it('stop one that was suspended for longer than its ttl, once it wakes', async () => {
    const child = start(`
      const lease = await acquireLease({ store: scope, title: 'sleeper', ttlMs: 300 })
      console.log('held')
      process.stdin.once('data', async () => {
        const tried = [lease.checkpoint(), scope.appendJournal({ at: 'now', seq: 1, type: 'deleted', key: 'x', generation: 1 }, lease.fence), scope.writeState({ format: 1, version: 1, at: 'now', resources: [] }, lease.fence)]
        for (const result of await Promise.allSettled(tried)) console.log(result.reason?.code)
        process.exit(0)
      })
    `)
    const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('held')
    child.kill('SIGSTOP')
    await using lease = await acquireLease({ store: scope, title: 'taker', waitMs: 10_000, maxCallMs: 200, ttlMs: 300 })
    child.stdin!.write('go\n')
    child.kill('SIGCONT')
    expect([(await lines.next()).value, (await lines.next()).value, (await lines.next()).value]).toEqual(['LEASE_LOST', 'LEASE_LOST', 'LEASE_LOST'])
    await lease.checkpoint()
    expect(await scope.readState()).toBeUndefined()
    expect(await scope.readJournal()).toEqual([])
  })
})

/** A process with `scope`, `acquireLease` and the body. */
function start(body: string): ChildProcess {
  const file = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)))
  const code = `
    import { createFileStore } from ${file('./file-store.ts')}
    import { acquireLease } from ${file('./lease.ts')}
    const scope = createFileStore({ dir: ${JSON.stringify(dir)} }).scope('platform')
    ${body}
  `
  const child = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module-typescript', '--eval', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

async function finished(body: string): Promise<readonly string[]> {
  const child = start(body)
  const lines: string[] = []
  for await (const line of createInterface(child.stdout!)) lines.push(line)
  const code = child.exitCode ?? (await once(child, 'exit'))[0]
  expect(code).toBe(0)
  return lines
}
