import { expect, test } from 'vitest'
import { judge, type Observation } from './judge.ts'

const health = { path: '/healthz', acceptBelow: 400, intervalMs: 1_000, timeoutMs: 5_000, graceMs: 60_000 }
const seen = (more: Partial<Observation>): Observation => ({ title: 'shop/api (deployment d1)', expectedPort: 8080, health, elapsedMs: 1_000, ...more })
const error = (more: Partial<Observation>) => {
  const verdict = judge(seen(more))
  return verdict.status === 'failed' ? verdict.error : verdict
}

test('any answer below the limit is healthy, one above it is waited for and then told', () => {
  expect(judge(seen({ probe: { kind: 'answered', status: 204 } }))).toEqual({ status: 'ready' })
  expect(judge(seen({ probe: { kind: 'answered', status: 503 } }))).toMatchObject({ status: 'pending', message: 'GET /healthz answers 503, wanted is below 400' })
  expect(error({ probe: { kind: 'answered', status: 503 }, elapsedMs: 60_000 })).toMatchObject({ code: 'UNHEALTHY', message: 'shop/api (deployment d1) did not become healthy within 60 s', details: { status: 503, path: '/healthz', port: 8080 } })
})

test('a redirect is shown with where it leads', () => {
  expect(error({ probe: { kind: 'answered', status: 302, location: '/login' }, health: { ...health, acceptBelow: 300 }, elapsedMs: 60_000 })).toMatchObject({ reason: expect.stringContaining('redirects to /login'), suggestion: expect.stringContaining('such as /login') })
})

test('an app that ended is not waited for', () => {
  expect(error({ exit: { code: 127 } })).toMatchObject({ code: 'UNHEALTHY', reason: 'exit code 127 (command not found).', suggestion: expect.stringContaining('Check the command'), details: { exitCode: 127 } })
  expect(error({ exit: { code: 137, outOfMemory: true } })).toMatchObject({ suggestion: expect.stringContaining('memory:') })
  expect(error({ exit: { error: 'exec: "x": executable file not found in $PATH' } })).toMatchObject({ message: expect.stringContaining('could not be started') })
})

test('another port is only called wrong early when it answers, else when the time is over', () => {
  const elsewhere = { probe: { kind: 'closed', message: '' }, listeners: [{ port: 3000, loopbackOnly: false }] } as const
  expect(judge(seen({ ...elsewhere }))).toMatchObject({ status: 'pending', message: 'Nothing listens on port 8080; found 3000.' })
  expect(judge(seen({ ...elsewhere, elapsedMs: 9_000 }))).toMatchObject({ status: 'pending' })
  expect(error({ ...elsewhere, elapsedMs: 9_000, otherPortAnswers: true })).toMatchObject({ code: 'WRONG_PORT', suggestion: 'Write `port: 3000` for this app into pilot.yaml, or listen on $PORT.' })
  expect(error({ ...elsewhere, elapsedMs: 60_000 })).toMatchObject({ code: 'WRONG_PORT', details: { expectedPort: 8080, foundPorts: [3000], manifest: 'port: 3000' } })
  expect(error({ ...elsewhere, elapsedMs: 60_000, portIsOurs: true })).toMatchObject({ suggestion: expect.stringContaining('environment variable PORT') })
})

test('the right port on the loopback address of a container is told as such', () => {
  expect(error({ probe: { kind: 'closed', message: '' }, listeners: [{ port: 8080, loopbackOnly: true }], elapsedMs: 9_000 })).toMatchObject({ code: 'WRONG_PORT', suggestion: expect.stringContaining('0.0.0.0:8080') })
})

test('it looks often at first and keeps to the interval later', () => {
  const next = (elapsedMs: number) => (judge(seen({ elapsedMs, probe: { kind: 'silent', afterMs: 100 } })) as { retryAfterMs: number }).retryAfterMs
  expect(next(300)).toBe(20)
  expect(next(30_000)).toBe(1_000)
})
