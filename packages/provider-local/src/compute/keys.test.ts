import { expect, test } from 'vitest'
import { isOfRole, keys } from './keys.ts'

const roles = ['process', 'container', 'function', 'worker', 'task', 'queue', 'traffic'] as const
const rolesOf = (key: string | undefined) => roles.filter((role) => isOfRole(key, role))

test.each([
  [keys.process('d1', 0), 'process'],
  [keys.container('d1', 12), 'container'],
  [keys.function('d1'), 'function'],
  [keys.worker('d1', 'mail', 0), 'worker'],
  [keys.task('d1', 'release'), 'task'],
  [keys.queue, 'queue'],
  [keys.traffic, 'traffic'],
])('%s is of one role only: %s', (key, role) => {
  expect(rolesOf(key)).toEqual([role])
})

test.each(['deployment/d1/unheard-of', 'queue-data', '', undefined])('what carries the key %s is told of once in each place, since nobody knows what it is', (key) => {
  expect(rolesOf(key)).toEqual(['process', 'container', 'traffic'])
})
