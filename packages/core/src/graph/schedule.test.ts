import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createGate, schedule, shared, type Task } from './schedule.ts'

const task = (id: string, ...after: string[]): Task => ({ id, after })
const always = { parallel: 10, mayStart: () => true }

describe('schedule', () => {
  test('begins what nothing keeps, the longest chain first', async () => {
    const begun: string[] = []
    const { done } = await schedule({
      ...always,
      parallel: 1,
      tasks: [task('lonely'), task('a'), task('b', 'a'), task('c', 'b')],
      run: async ({ id }) => void begun.push(id),
    })
    expect(begun).toEqual(['a', 'b', 'lonely', 'c'])
    expect(done).toEqual(begun)
  })

  test('a failure keeps what waits for it from beginning, and nothing else', async () => {
    const outcome = await schedule({
      ...always,
      tasks: [task('a'), task('b', 'a'), task('c', 'b'), task('d')],
      run: async ({ id }) => {
        if (id === 'a') throw new Error('a')
      },
    })
    expect(outcome).toMatchObject({ done: ['d'], failed: [{ id: 'a' }], skipped: ['b', 'c'] })
  })

  test('stopping begins nothing more and waits for what runs', async () => {
    let stopped = false
    const outcome = await schedule({
      tasks: [task('a'), task('b', 'a')],
      parallel: 10,
      mayStart: () => !stopped,
      run: async () => {
        stopped = true
        await sleep(20)
      },
    })
    expect(outcome).toMatchObject({ done: ['a'], skipped: ['b'] })
  })

  test('what only waits for time to pass keeps nobody from beginning', async () => {
    const events: string[] = []
    await schedule({
      tasks: [task('slow'), task('quick')],
      parallel: 1,
      mayStart: () => true,
      run: async ({ id }, park) => {
        if (id === 'slow') await park(() => sleep(50))
        events.push(id)
      },
    })
    expect(events).toEqual(['quick', 'slow'])
  })
})

test('a gate lets only so many through', async () => {
  const gate = createGate(3)
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 20 }, () =>
      gate.run(async () => {
        most = Math.max(most, ++inside)
        await sleep(1)
        inside--
      }),
    ),
  )
  expect(most).toBe(3)
})

test('shared calls begin after they were asked for', async () => {
  let begun = 0
  const look = shared(async () => {
    const mine = ++begun
    await sleep(5)
    return mine
  })
  const first = look()
  const [second, third] = [look(), look()]
  expect(await Promise.all([first, second, third])).toEqual([1, 2, 2])
  expect(await look()).toBe(3)
})
