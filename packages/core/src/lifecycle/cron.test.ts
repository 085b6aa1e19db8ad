import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Compute } from '../provider/compute.ts'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import type { LifecycleContext } from './context.ts'
import { runCronJob } from './cron.ts'
import { failure, openWorkplace, shop, sourceOf } from './lifecycle.fixture.ts'
import type { CronJob } from './records.ts'
import { rollback } from './release.ts'
import { stop } from './run-state.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

const job = (command: string, more: Partial<CronJob> = {}): CronJob => ({ schedule: '@daily', timeZone: 'UTC', command: [command], overlap: 'skip', missed: 'skip', timeoutMs: 60_000, ...more })

/** Says what it was asked to run; `hang` ends with the signal. */
function withRun(context: LifecycleContext): LifecycleContext {
  const run: NonNullable<Compute['run']> = async ({ command, deployment, output, signal }) => {
    await output('stdout', Buffer.from(`${command.join(' ')} in ${deployment}`))
    if (command[0] === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
    return { exitCode: 3 }
  }
  return { ...context, provider: { ...context.provider, compute: { container: { ...context.provider.compute.container!, run } } } }
}

const ship = (context: LifecycleContext, text: string, cron: Record<string, CronJob>) => up(context, { app: definition('api', { cron }), source: sourceOf(text) })

test('a script runs a job of what is live, as it is after a release and after a rollback', async () => {
  await using place = await openWorkplace(cloud)
  const context = withRun(place.context)
  const seen: string[] = []
  const run = (name: string) => runCronJob(context, { app: shop, job: name, output: (_, data) => void seen.push(Buffer.from(data).toString('utf8')) })
  expect(await failure(run('report'))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  const first = await ship(context, 'one', { report: job('old') })
  await ship(context, 'two', { other: job('new'), slow: job('hang', { timeoutMs: 20 }) })
  expect(await run('other')).toEqual({ exitCode: 3 })
  expect(await failure(run('report'))).toMatchObject({ code: 'NOT_FOUND', reason: 'It has other, slow.' })
  expect(await failure(run('slow'))).toMatchObject({ code: 'TIMED_OUT' })
  await rollback(context, { app: shop })
  await run('report')
  expect(seen.at(-1)).toBe(`old in ${first.deployment.id}`)
  await stop(context, { app: shop })
  expect(await failure(run('report'))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
})

test('jobs of a target that runs no commands, and a schedule that cannot be kept, are refused before anything is staged', async () => {
  await using place = await openWorkplace(cloud)
  const { run: _, ...compute } = place.context.provider.compute.container!
  const without = { ...place.context, provider: { ...place.context.provider, compute: { container: compute } } }
  expect(await failure(ship(without, 'x', { report: job('x') }))).toMatchObject({ code: 'USAGE', message: expect.stringContaining('has the cron job report, and as container it runs no commands') })
  expect(await failure(ship(withRun(place.context), 'x', { report: job('x', { schedule: '99 * * * *' }) }))).toMatchObject({ code: 'USAGE', message: expect.stringContaining('report of shop/') })
})
