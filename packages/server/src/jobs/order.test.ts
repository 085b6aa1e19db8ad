import { expect, test } from 'vitest'
import { orderApps } from './order.ts'

const order = (...apps: readonly [string, ...string[]][]) => orderApps(apps.map(([name, ...needs]) => ({ name, needs }))).map(({ name, after }) => [name, ...after])

test('an app comes after what it needs, else as given', () => {
  expect(order(['web', 'api', 'mailer'], ['api', 'db'], ['mailer'])).toEqual([['api'], ['mailer'], ['web', 'api', 'mailer']])
})

test('names that are not among the apps are no reason to wait', () => {
  expect(order(['web', 'elsewhere'])).toEqual([['web']])
})

test('two apps that use each other do not wait for each other', () => {
  expect(order(['a', 'b'], ['b', 'a'])).toEqual([['b'], ['a', 'b']])
  expect(order(['a', 'a'])).toEqual([['a']])
})
