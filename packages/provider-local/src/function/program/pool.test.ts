import { expect, test } from 'vitest'
import { createPool, type Pool } from './pool.ts'
import type { Worker } from './worker.ts'

const config = { timeoutMs: 60_000, atOnce: 1, memoryBytes: 2 ** 30, idleMs: 20, initMs: 60_000, handler: 'index.handler' }

/** Workers that do what the test makes them do; `deaf` ones end by SIGKILL only. */
function workers({ deaf = false } = {}): { readonly started: { readonly token: string; readonly signals: string[] }[]; readonly start: () => Worker } {
  const started: { readonly token: string; readonly signals: string[] }[] = []
  return {
    started,
    start() {
      const token = `worker ${started.length}`
      const signals: string[] = []
      started.push({ token, signals })
      const ended = Promise.withResolvers<string>()
      const kill = (signal: NodeJS.Signals): void => {
        signals.push(signal)
        if (!deaf || signal === 'SIGKILL') ended.resolve(`signal ${signal}`)
      }
      return { token, pid: undefined, ended: ended.promise, kill, memory: () => undefined }
    },
  }
}

async function handleNext(pool: Pool, token: string): Promise<void> {
  const { requestId } = (await pool.workers.next(token))!
  pool.workers.done(token, requestId, Buffer.from('1'))
}

test('an idle worker that ignores SIGTERM gives its place to another one', async () => {
  const { started, start } = workers({ deaf: true })
  const pool = createPool(config, start)
  const first = pool.invoke('{}')
  await handleNext(pool, 'worker 0')
  await first
  void pool.workers.next('worker 0')
  await expect.poll(() => started[0]!.signals).toContain('SIGTERM')
  const second = pool.invoke('{}')
  await expect.poll(() => started.length, { timeout: 10_000 }).toBe(2)
  await handleNext(pool, 'worker 1')
  expect(await second).toMatchObject({ payload: Buffer.from('1') })
  await pool.close(0)
}, 20_000)

test('a worker that asks for the next event without an answer has failed that one', async () => {
  const pool = createPool(config, workers().start)
  const outcome = pool.invoke('{}')
  await pool.workers.next('worker 0')
  void pool.workers.next('worker 0')
  expect(await outcome).toMatchObject({ why: 'handler', error: { type: 'Runtime.NoAnswer' } })
  await pool.close(0)
})

test('what waits takes no more memory than it may', async () => {
  const pool = createPool(config, workers().start)
  const event = Buffer.alloc(6 * 1024 ** 2)
  const waiting = Array.from({ length: 6 }, () => pool.invoke(event))
  expect(await pool.invoke(event)).toMatchObject({ why: 'busy' })
  expect(pool.state().waiting).toBe(6)
  await pool.close(0)
  for (const outcome of await Promise.all(waiting)) expect(outcome).toMatchObject({ why: 'leaving' })
})
