import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPilotError } from '../../errors/pilot-error.ts'
import { resourceName } from '../../graph/identity.ts'
import { isPlain } from '../../graph/resolve.ts'
import type { Listed } from '../../provider/kind.ts'
import type { Check } from '../check.ts'
import type { KindSample } from './options.ts'
import { leaseLost, type Bench, type Made, type Workshop } from './workbench.ts'

/** What the handlers of one kind do, shown by one sample of it. */
export function sampleChecks(sample: KindSample, shop: Workshop): readonly Check[] {
  const check = (title: string, body: (bench: Bench) => Promise<void>, skip?: string): Check => ({
    group: sample.title === undefined ? sample.kind : `${sample.kind}: ${sample.title}`,
    title,
    ...(skip === undefined ? {} : { skip }),
    async run() {
      const bench = await shop.open()
      try {
        await body(bench)
      } catch (error) {
        // What the check found matters more than what its tidying up stumbles over.
        await bench.close().catch(() => {})
        throw error
      }
      await bench.close()
    },
  })

  return [
    check('says what it costs and what it exposes', async (bench) => {
      const kind = bench.kind(sample.kind)
      const inputs = await bench.inputs(await bench.prepare(sample))
      const cost = kind.cost(inputs)
      if ('unpriced' in cost) assert.ok(cost.unpriced, 'unpriced without a reason')
      else assert.ok(cost.monthly >= 0 && cost.currency === 'USD' && cost.basis, `a cost has an amount, a currency and a basis: ${JSON.stringify(cost)}`)
      assert.deepEqual(kind.cost(inputs), cost, 'the cost differs from call to call')
      for (const { what, to } of kind.exposure(inputs)) assert.ok(what && ['internet', 'network', 'machine'].includes(to), `exposed to ${to}`)
    }),

    ...(sample.fails === undefined ? [] : [failsInWords(sample, check)]),

    check('is created, settled, and read as it was asked for, also by another process', async (bench) => {
      const made = await bench.make(await bench.prepare(sample))
      const other = await bench.reconnect()
      for (const reading of [await bench.read(made), await bench.read(made, other)]) {
        assert.ok(reading, 'read does not find what was created')
        assert.deepEqual(reading.outputs, made.outputs, 'read has other outputs than settle')
        await assertAsAsked(bench, made, reading.inputs)
      }
      assert.deepEqual(await bench.settle(made), made.outputs, 'a second settle has other outputs')
    }),

    check('is listed with its owner, and not to other platforms', async (bench) => {
      const stranger = await shop.open()
      try {
        const mine = await bench.make(await bench.prepare(sample))
        const theirs = await stranger.make(await stranger.prepare(sample))
        assert.notEqual(mine.id, theirs.id, 'two platforms got the same resource')
        for (const [platform, own, foreign] of [[bench, mine, theirs], [stranger, theirs, mine]] as const) {
          const listed = await untilListed(platform, own)
          assert.ok(!(await platform.list(sample.kind)).some(({ id }) => id === foreign.id), 'list shows what belongs to another platform')
          assertOwner(platform, own, listed)
        }
        const again = await bench.reconnect()
        assert.ok((await bench.list(sample.kind, again)).some(({ id }) => id === mine.id), 'another process does not see it in its list')
      } finally {
        await stranger.close()
      }
    }, sample.single),

    check('is made once when the same create is called twice', async (bench) => {
      const resource = await bench.prepare(sample)
      const first = await bench.create(resource)
      if (bench.kind(sample.kind).identity === 'search') return
      const second = await bench.create(resource)
      assert.equal(second.id, first.id, 'the second create made another one')
      await bench.settle({ resource, ...second })
      const third = await bench.create(resource)
      assert.equal(third.id, first.id, 'a create after it was ready made another one')
      const listed = (await bench.list(sample.kind)).filter(({ owner }) => owner.key === undefined || owner.key === resource.key)
      assert.equal(listed.length, 1, `list shows ${listed.length} of it`)
    }),

    check('does not take over what another platform holds under its name', async (bench) => {
      if (bench.kind(sample.kind).identity !== 'name') return
      const stranger = await shop.open()
      try {
        const theirs = await stranger.make(await stranger.prepare(sample))
        const [listed] = await stranger.list(sample.kind)
        // Where marks do not tell the owner, the name is all there is, and it is unique by its hash.
        if (listed?.owner.platformId === undefined || listed.owner.key === undefined) return
        const resource = await bench.prepare(sample)
        const name = resourceName({ platformId: stranger.platformId, scope: 'app/conformance/api/production', key: theirs.resource.key, generation: 1 })
        const error = await bench.create(resource, { name }).then(
          ({ id }) => assert.notEqual(id, theirs.id, 'create took over a resource of another platform'),
          (thrown: unknown) => thrown,
        )
        if (error !== undefined) assert.equal(codeOf(error), 'NAME_TAKEN', `expected NAME_TAKEN, got ${textOf(error)}`)
        assert.ok(await stranger.read(theirs), 'the resource of the other platform is gone')
      } finally {
        await stranger.close()
      }
    }, sample.single),

    check('changes nothing once the lease is lost', async (bench) => {
      const lost = { checkpoint: leaseLost }
      const kind = bench.kind(sample.kind)
      const resource = await bench.prepare(sample)
      await rejectsLeaseLost('create', () => bench.create(resource, lost))
      assert.ok(!(await bench.list(sample.kind)).some(({ owner }) => owner.key === resource.key), 'create went on although the lease was lost')
      const made = await bench.make(resource)
      if (kind.update !== undefined && sample.change !== undefined) {
        const before = await bench.read(made)
        await rejectsLeaseLost('update', () => bench.update(made, sample.change!(bench.context), lost))
        assert.deepEqual(await bench.read(made), before, 'update went on although the lease was lost')
      }
      await rejectsLeaseLost('delete', () => bench.delete(made, lost))
      assert.ok(await bench.read(made), 'delete went on although the lease was lost')
    }),

    check('is updated in place, twice with the same result', async (bench) => {
      const kind = bench.kind(sample.kind)
      if (kind.update === undefined || sample.change === undefined) return
      const made = await bench.make(await bench.prepare(sample))
      const changes = sample.change(bench.context)
      const fixed = ((kind.fields?.immutable ?? []) as readonly string[]).filter((field) => field in changes)
      assert.deepEqual(fixed, [], `the sample changes what is immutable: ${fixed.join(', ')}`)
      const updated: Made = { ...made, resource: { ...made.resource, inputs: { ...made.resource.inputs, ...changes } as Made['resource']['inputs'] } }
      for (const time of ['first', 'second']) {
        await bench.update(made, changes)
        const reading = await bench.read(updated)
        assert.ok(reading, `gone after the ${time} update`)
        await assertAsAsked(bench, updated, reading.inputs)
      }
    }),

    check('is deleted, and absent is success', async (bench) => {
      const made = await bench.make(await bench.prepare(sample))
      await untilListed(bench, made)
      await bench.delete(made)
      await bench.delete(made)
      assert.equal(await bench.read(made), undefined)
      await untilUnlisted(bench, made)
    }),

    check('keeps secrets to itself', async (bench) => {
      const resource = await bench.prepare(sample)
      if (isSecretFree(resource.inputs)) return
      const made = await bench.make(resource)
      await bench.read(made)
      await bench.list(sample.kind)
      await bench.create(resource, { checkpoint: leaseLost }).catch(() => {})
      await bench.delete(made)
      const leak = bench.said.find((text) => bench.redactor.redact(text) !== text)
      assert.equal(leak && bench.redactor.redact(leak), undefined, 'a secret came out; write-only fields are left out of readings')
    }),
  ]
}

/** People read why what they wrote does not run; what failed is there until it is deleted, so that a crash in between loses nothing. */
const failsInWords = (sample: KindSample, check: (title: string, body: (bench: Bench) => Promise<void>) => Check): Check =>
  check('says why it failed, with the last lines of its log, and is deleted as any other', async (bench) => {
    const resource = await bench.prepare(sample)
    const failing = { ...resource, inputs: { ...resource.inputs, ...sample.fails!(bench.context) } as typeof resource.inputs }
    const created = await bench.create(failing)
    const error = await bench.settle({ resource: failing, ...created }).then(
      () => assert.fail('it is ready although it failed'),
      (thrown: unknown) => thrown,
    )
    assert.ok(isPilotError(error), `settle fails with a PilotError, not ${textOf(error)}`)
    assert.ok(Array.isArray(error.details?.['log']), `the error carries the last lines in details.log: ${JSON.stringify(error.details)}`)
    await bench.delete({ resource: failing, id: created.id })
    assert.equal(await bench.read({ resource: failing, id: created.id }), undefined, 'it is still there')
  })

/** Beyond what a kind says of its own consistency: for a busy machine. */
const graceMs = 2000

/** The fields that a reading has are those that were asked for; what cannot or must not be read is not in it. */
async function assertAsAsked(bench: Bench, { resource }: Made, reading: Readonly<Record<string, unknown>>): Promise<void> {
  const { writeOnly = [], ignored = [] } = (bench.kind(resource.kind).fields ?? {}) as Record<string, readonly string[]>
  const asked = await bench.inputs(resource)
  for (const [field, value] of Object.entries(reading)) {
    assert.ok(!writeOnly.includes(field), `${field} is write-only, and yet it is read`)
    if (!ignored.includes(field) && value !== undefined) assert.deepEqual(value, asked[field], `read shows another ${field} than was asked for: every plan would want to change it`)
  }
}

/** Marks may tell less than everything, but nothing wrong. */
function assertOwner(bench: Bench, { resource }: Made, { owner, title }: Listed): void {
  assert.ok(title, 'what is listed has a title for people')
  const expected = { platformId: bench.platformId, scope: 'app/conformance/api/production', key: resource.key, generation: 1 }
  for (const [name, value] of Object.entries(owner)) {
    if (value !== undefined) assert.equal(value, expected[name as keyof typeof expected], `list shows another ${name}`)
  }
  assert.ok(owner.key !== undefined || title.includes(resourceName(expected)), 'neither marks nor name tell whose it is: a lost state could not be found again')
}

async function untilListed(bench: Bench, { resource, id }: Made): Promise<Listed> {
  const limit = performance.now() + bench.kind(resource.kind).consistencyMs + graceMs
  for (;;) {
    const found = (await bench.list(resource.kind)).filter((listed) => listed.id === id)
    assert.ok(found.length <= 1, `list shows it ${found.length} times`)
    if (found[0] !== undefined) return found[0]
    assert.ok(performance.now() < limit, 'list does not show what was created, by the id that create returned')
    await sleep(50)
  }
}

async function untilUnlisted(bench: Bench, { resource, id }: Made): Promise<void> {
  const limit = performance.now() + bench.kind(resource.kind).consistencyMs + graceMs
  while ((await bench.list(resource.kind)).some((listed) => listed.id === id && listed.retained !== true)) {
    assert.ok(performance.now() < limit, 'list still shows what was deleted')
    await sleep(50)
  }
}

async function rejectsLeaseLost(what: string, run: () => Promise<unknown>): Promise<void> {
  const error = await run().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error !== undefined, `${what} succeeded although checkpoint() threw: await it right before the request leaves`)
  assert.equal(codeOf(error), 'LEASE_LOST', `${what} hid LEASE_LOST behind ${textOf(error)}`)
}

const textOf = (error: unknown) => (error instanceof Error ? String(error) : JSON.stringify(error))

const codeOf = (error: unknown) => (isPilotError(error) ? error.code : undefined)

const isSecretFree = (inputs: unknown) => isPlain(inputs) || !JSON.stringify(inputs).includes('"$secret"')
