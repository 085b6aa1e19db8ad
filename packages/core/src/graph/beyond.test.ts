import { expect, test } from 'vitest'
import { beyondApproved } from './beyond.ts'
import type { Plan, PlanStep } from './plan.ts'

const step = (key: string, action: PlanStep['action'], changes: Partial<PlanStep> = {}): PlanStep => ({
  key,
  kind: 'fake/server',
  action,
  reason: 'why',
  changes: [],
  cost: { monthly: 5, currency: 'USD', basis: 'one' },
  exposure: [],
  generation: 1,
  dependsOn: [],
  ...changes,
})
const plan = (steps: readonly PlanStep[], desired = 'd'): Plan => ({ stateVersion: 1, hash: 'h', desired, steps })
const size = { changes: [{ field: 'size', from: 1, to: 2 }] }

const approved = plan([
  step('new', 'create'),
  step('changed', 'update', size),
  step('other', 'replace', { generation: 2, removes: [1], changes: [{ field: 'image' }] }),
  step('same', 'keep'),
  step('old', 'delete'),
])

test.each([
  ['the same plan', approved.steps],
  ['everything done', ['new', 'changed', 'other', 'same'].map((key) => step(key, 'keep'))],
  ['a creation that is to settle, or failed', [step('new', 'replace', { generation: 2, removes: [1] })]],
  ['an update that did not finish', [step('changed', 'update')]],
  ['a replacement whose old one is gone already, or goes yet', [step('other', 'create', { generation: 2 }), step('other', 'keep', { generation: 2, removes: [1] })]],
])('%s is the rest of what was approved', (_, steps) => {
  expect(beyondApproved(approved, plan(steps))).toEqual([])
})

test.each([
  ['a replacement', step('changed', 'replace', { ...size, generation: 2, removes: [1] })],
  ['a replacement of what was made since', step('new', 'replace', { ...size, generation: 2, removes: [1] })],
  ['a second replacement', step('other', 'replace', { ...size, generation: 3, removes: [2] })],
  ['a deletion', step('same', 'delete')],
  ['a deletion of another generation', step('old', 'delete', { generation: 2 })],
  ['a key', step('unheard', 'create')],
  ['a change of what was to stay', step('same', 'update', size)],
  ['a change of another field', step('changed', 'update', { changes: [{ field: 'image' }] })],
  ['a creation of what was to be changed', step('changed', 'create', { generation: 2 })],
  ['a higher cost', step('new', 'create', { cost: { monthly: 6, currency: 'USD', basis: 'one' } })],
])('%s that nobody approved is not', (_, extra) => {
  expect(beyondApproved(approved, plan([extra]))).toEqual([`${extra.key}: ${extra.action} (why)`])
})

test('nothing is when something else is wanted', () => {
  expect(beyondApproved(approved, plan(approved.steps, 'e'))).toHaveLength(1)
})
