import { describe, expect, it } from 'vitest'
import { canonicalJson, contentId, findDeployment, nextNumber, type Ledger } from './ledger.ts'
import type { DeploymentRecord } from './records.ts'

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

describe('finding a deployment', () => {
  it.each([12, '12', 'v12', 'd12'])('takes %s', (wanted) => {
    expect(findDeployment(ledger, app, wanted).number).toBe(12)
  })

  it('names those that exist when there is no such one', () => {
    expect(() => findDeployment(ledger, app, 'v3')).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: 'shop/api has no deployment v3', reason: 'The newest are v1, v12.' }))
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
    expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]))
  })
})

it('counts on from the highest number', () => {
  expect(nextNumber([])).toBe(1)
  expect(nextNumber([{ number: 7 }, { number: 3 }])).toBe(8)
})
