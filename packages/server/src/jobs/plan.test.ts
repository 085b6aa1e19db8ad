import { expect, test } from 'vitest'
import { operationRequestSchema, type OperationRequest } from '../contract/operations.ts'
import { definition } from '../testing/test-server.ts'
import { planJobs } from './plan.ts'

const plan = (request: OperationRequest, existing?: Parameters<typeof planJobs>[1]) => planJobs(operationRequestSchema.parse(request), existing).map(({ scope, payload, after }) => [payload.action, scope, ...after])
const source = { digest: `sha256:${'a'.repeat(64)}` }
const app = { project: 'shop', app: 'api', environment: 'production' }
const apps = [definition('web', { uses: ['api'] }), definition('api', { database: { from: 'store' } }), definition('store')]

test('one job per app, each after those whose address or database it needs', () => {
  expect(plan({ action: 'up', project: 'shop', environment: 'production', apps: apps.map((each) => ({ definition: each, source })) })).toEqual([
    ['up', 'app/shop/store/production'],
    ['up', 'app/shop/api/production', 0],
    ['up', 'app/shop/web/production', 1],
  ])
})

test('a part that leaves a monolith shares its database and is called by it: the owner goes first until the database is there, then the part', () => {
  const split = [definition('web', { uses: ['shop'] }), definition('shop', { database: { own: true }, uses: ['auth'] }), definition('auth', { database: { from: 'shop' } })]
  const request = { action: 'up' as const, project: 'shop', environment: 'production', apps: split.map((each) => ({ definition: each, source })) }
  const order = (deployed: readonly string[]) => plan(request, { deployed }).map(([, scope, ...after]) => [(scope as string).split('/')[2], ...after])
  expect(order([])).toEqual([['shop'], ['web', 0], ['auth', 0]])
  expect(order(['shop'])).toEqual([['auth'], ['shop', 0], ['web', 1]])
})

test('a domain that moves from an app to another: who gives it up goes first', () => {
  const moved = (more: readonly string[] = []) => [definition('api', { domains: ['shop.test'] }), definition('web', { domains: [...more] })]
  const order = (given: ReturnType<typeof moved>, domains: Record<string, string[]>) =>
    plan({ action: 'up', project: 'shop', environment: 'production', apps: given.map((each) => ({ definition: each, source })) }, { deployed: ['api', 'web'], domains }).map(([, scope, ...after]) => [(scope as string).split('/')[2], ...after])
  expect(order(moved(), { web: ['shop.test'] })).toEqual([['web'], ['api', 0]])
  expect(order(moved(), { api: ['shop.test'] })).toEqual([['api'], ['web']])
  expect(order(moved(['shop.test']), { web: ['shop.test'] })).toEqual([['api'], ['web']])
  // Two that swap theirs: the first that is named is refused, and the next `up` has it.
  expect(order(moved(['www.test']), { web: ['shop.test'], api: ['www.test'] }).map(([name]) => name)).toEqual(['web', 'api'])
})

test('builds do not wait for each other', () => {
  expect(plan({ action: 'build', project: 'shop', environment: 'production', apps: apps.map((each) => ({ definition: each, source })) }).every(([, , ...after]) => after.length === 0)).toBe(true)
})

test('a project is destroyed from those who use others down to those who are used, each environment by itself', () => {
  const existing = ['production', 'preview'].flatMap((environment) => [
    { name: 'api', uses: [], databases: ['store'], app: { ...app, environment } },
    { name: 'store', uses: [], databases: [], app: { project: 'shop', app: 'store', environment } },
  ])
  expect(plan({ action: 'destroy-project', project: 'shop' }, { existing })).toEqual([
    ['destroy-app', 'app/shop/api/production'],
    ['destroy-app', 'app/shop/store/production', 0],
    ['destroy-app', 'app/shop/api/preview'],
    ['destroy-app', 'app/shop/store/preview', 2],
  ])
})

test('a part that shares the database of the app that calls it is destroyed before that app', () => {
  const existing = [
    { name: 'shop', uses: ['auth', 'invoices'], databases: [] },
    { name: 'invoices', uses: ['auth'], databases: ['shop'] },
    { name: 'auth', uses: [], databases: ['shop'] },
  ].map((each) => ({ ...each, app: { ...app, app: each.name } }))
  const orders = [existing, existing.toReversed()].map((given) => plan({ action: 'destroy-project', project: 'shop' }, { existing: given }).map(([, scope, ...after]) => [(scope as string).split('/')[2], ...after]))
  for (const order of orders) expect(order).toEqual([['invoices'], ['auth', 0], ['shop', 0, 1]])
})

test('what concerns the platform itself has its scope', () => {
  expect(plan({ action: 'setup', provider: 'local' })).toEqual([['setup', 'platform']])
  expect(plan({ action: 'destroy-platform', platform: 'local' })).toEqual([['destroy-platform', 'platform']])
  const apps = ['web', 'api'].map((name) => ({ app: { project: 'shop', app: name, environment: 'production' }, name, uses: name === 'web' ? ['api'] : [], databases: [] }))
  expect(plan({ action: 'destroy-platform', platform: 'local' }, { existing: apps })).toEqual([
    ['destroy-app', 'app/shop/web/production'],
    ['destroy-app', 'app/shop/api/production', 0],
    ['destroy-platform', 'platform', 0, 1],
  ])
})

test('the payload holds what the job needs and nothing about the request', () => {
  const [job] = planJobs(operationRequestSchema.parse({ action: 'rollback', app, to: 3, requestId: 'request-1', platform: 'local' }))
  expect(job!.payload).toEqual({ action: 'rollback', app, to: 3 })
})
