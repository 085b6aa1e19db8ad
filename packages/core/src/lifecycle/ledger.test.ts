import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import type { ScopeStore } from '../store/store.ts'
import { contentId, findBuild, findDeployment, nextNumber, openLedger, readLedger, type Ledger } from './ledger.ts'
import type { BuildRecord, DeploymentRecord } from './records.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const deployment = (number: number): DeploymentRecord => ({
  id: `d${number}`,
  number,
  app,
  source: { digest: 'sha256:1' },
  build: 'b1',
  artifact: { digest: 'sha256:2', type: 'image', location: 'x' },
  target: 'container',
  configuration: 1,
  run: { health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 }, memoryBytes: 1, cpu: 1, instances: 1, uses: [], domains: [] },
  nonce: 0,
  createdAt: '2026-01-01T00:00:00Z',
  by: 'ada',
})
const ledger: Ledger = { builds: [], configurations: [], deployments: [deployment(1), deployment(12)], releases: [] }

it('reads the records of an app once, and adds what is written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-ledger-'))
  try {
    const scope = createFileStore({ dir }).scope('app/shop/api/production')
    const lease = await acquireLease({ store: scope, title: 'a test' })
    await openLedger(scope, lease.fence).write.deployment(deployment(2))
    let listings = 0
    const counting: ScopeStore = { ...scope, listRecords: (type) => (listings++, scope.listRecords(type)) }
    const { read, write } = openLedger(counting, lease.fence)
    await read()
    await Promise.all([write.deployment(deployment(1)), write.deployment(deployment(3)), write.deployment(deployment(2))])
    const known = await read()
    expect(known.deployments.map(({ number }) => number)).toEqual([1, 2, 3])
    expect(known).toEqual(await readLedger(scope))
    expect(listings).toBe(4)
    await lease.release()
  } finally {
    await rm(dir, { recursive: true })
  }
})

describe('finding a deployment', () => {
  it.each([12, '12', 'v12', 'd12'])('takes %s', (wanted) => {
    expect(findDeployment(ledger, app, wanted).number).toBe(12)
  })

  it('names those that exist when there is no such one', () => {
    expect(() => findDeployment(ledger, app, 'v3')).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: 'shop/api has no deployment v3', reason: 'The newest are v1, v12.' }))
  })
})

describe('finding a build', () => {
  const build = (id: string, startedAt: string) => ({ id, startedAt }) as BuildRecord
  const built = { ...ledger, builds: [build('a', '2026-01-02'), build('b', '2026-01-01')] }

  it('takes the one with the id, else the newest', () => {
    expect([findBuild(built, app, 'b').id, findBuild(built, app).id]).toEqual(['b', 'a'])
  })

  it('says when there is none', () => {
    expect(() => findBuild(ledger, app)).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: 'shop/api has no build yet' }))
    expect(() => findBuild(built, app, 'c')).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: 'shop/api has no build c' }))
  })
})

describe('content ids', () => {
  it('are the same for the same content in another order', () => {
    expect(contentId({ a: 1, b: { c: [2], d: 3 } }, 10)).toBe(contentId({ b: { d: 3, c: [2] }, a: 1 }, 10))
  })

  it('differ for other content, are short and of letters and digits', () => {
    const ids = new Set(Array.from({ length: 1000 }, (_, n) => contentId({ n }, 10)))
    expect(ids.size).toBe(1000)
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]{10}$/)
  })

  it('keep the order of lists', () => {
    expect(contentId([2, 1], 10)).not.toBe(contentId([1, 2], 10))
  })

  it('stay what they were in every version of Pilot: records and artifacts are found by them', () => {
    const run = { health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 }, memoryBytes: 1, cpu: 0.25, instances: 1, command: ['node', 'ü.js'], database: { from: 'other' }, port: undefined, uses: ['b', 'a'], domains: [] }
    expect(contentId({ artifact: 'sha256:2', configuration: 1, run, target: 'container', nonce: 0 }, 10)).toBe('1dlsqalp0v')
    expect(contentId({ builder: 'dockerfile', recipe: 0, args: { VERSION: '1', 'a-b': '2', A: 'x', a_1: 'é"\n' }, build: null }, 20)).toBe('4vfxztammuzg624tn8wb')
  })
})

it('counts on from the highest number', () => {
  expect(nextNumber([])).toBe(1)
  expect(nextNumber([{ number: 7 }, { number: 3 }])).toBe(8)
})
