import { expect, test } from 'vitest'
import { isDatabaseAway, isDatabaseSilent } from './away.ts'
import { patiently } from './patience.ts'
import { toServerError } from './trouble.ts'

const away = Object.assign(new Error('the database system is starting up'), { code: '57P03' })

test('what the database was too busy restarting for is done again, once it answers', async () => {
  let calls = 0
  const work = async (): Promise<string> => {
    if (++calls < 4) throw away
    return 'done'
  }
  expect([await patiently(work), calls]).toEqual(['done', 4])
})

test('what it refuses is not done again', async () => {
  let calls = 0
  await expect(patiently(() => Promise.reject(Object.assign(new Error(`no ${++calls}`), { code: '23505' })))).rejects.toThrow('no 1')
})

test('a database that stays away is given up', async () => {
  await expect(patiently(() => Promise.reject(away), { forMs: 60 })).rejects.toBe(away)
})

test('a connection that breaks under a question is the database going away', () => {
  expect([new Error('Connection terminated unexpectedly'), Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), new Error('syntax error'), undefined].map(isDatabaseAway)).toEqual([true, true, false, false])
})

test('a file that is not there is no database that is away, and one that answers too late is not asked again', async () => {
  const file = Object.assign(new Error('x'), { code: 'ENOENT', syscall: 'open' })
  const late = new Error('timeout exceeded when trying to connect')
  expect([file, late].map((error) => [isDatabaseAway(error), isDatabaseSilent(error), toServerError(error).code])).toEqual([
    [false, false, 'INTERNAL'],
    [false, true, 'DATABASE_UNREACHABLE'],
  ])
  await expect(patiently(() => Promise.reject(late))).rejects.toBe(late)
})
