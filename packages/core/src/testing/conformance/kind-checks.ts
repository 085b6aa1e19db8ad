import assert from 'node:assert/strict'
import { longestCallMs } from '../../graph/calls.ts'
import type { AnyKind } from '../../provider/kind.ts'
import type { Check } from '../check.ts'
import type { ProviderConformanceOptions } from './options.ts'
import { fieldsOf } from './schema.ts'
import type { Workshop } from './workbench.ts'

/** What every kind declares, whether it has a sample or not. */
export function kindChecks({ provider, samples, withoutSample = {} }: ProviderConformanceOptions, shop: Workshop): readonly Check[] {
  const check = (title: string, body: (kinds: readonly AnyKind[]) => void): Check => ({
    group: 'its kinds',
    title,
    async run() {
      const bench = await shop.open()
      try {
        body(bench.capabilities.kinds)
      } finally {
        await bench.close()
      }
    },
  })

  return [
    check('have unique names that begin with the provider, and a version', (kinds) => {
      assert.equal(new Set(kinds.map(({ kind }) => kind)).size, kinds.length, 'two kinds share a name')
      for (const { kind, version } of kinds) {
        assert.match(kind, new RegExp(`^${provider.name}/[a-z][a-z0-9-]*$`), 'kinds are named `provider/noun`')
        assert.ok(Number.isInteger(version) && version >= 1, `${kind} has the version ${version}`)
      }
    }),

    check('have every handler, and numbers that make sense', (kinds) => {
      for (const kind of kinds) {
        for (const handler of ['create', 'settle', 'read', 'list', 'delete', 'cost', 'exposure'] as const) assert.equal(typeof kind[handler], 'function', `${kind.kind} has no ${handler}`)
        assert.ok(['name', 'token', 'search'].includes(kind.identity), `${kind.kind} has the identity ${kind.identity}`)
        assert.ok(kind.consistencyMs >= 0, `${kind.kind} has the consistencyMs ${kind.consistencyMs}`)
        assert.ok((kind.callTimeoutMs ?? 1) > 0 && (kind.callTimeoutMs ?? 0) <= longestCallMs, `${kind.kind} has the callTimeoutMs ${kind.callTimeoutMs}: a call fits in the lease`)
        assert.ok((kind.settleTimeoutMs ?? 1) > 0, `${kind.kind} has the settleTimeoutMs ${kind.settleTimeoutMs}`)
        assert.ok(kind.version === 1 || kind.migrate, `${kind.kind} has version ${kind.version} and cannot migrate what older versions recorded`)
        assert.ok(kind.permissions.length > 0, `${kind.kind} says not which permissions it needs; if none, say "none"`)
      }
    }),

    check('call only fields that they have immutable, write-only or ignored', (kinds) => {
      for (const kind of kinds) {
        const known = fieldsOf(kind.inputs)
        const { immutable = [], writeOnly = [], ignored = [] } = (kind.fields ?? {}) as Record<string, readonly string[]>
        for (const field of [...immutable, ...writeOnly, ...ignored]) assert.ok(known?.includes(field) ?? true, `${kind.kind} has no field ${field}`)
        for (const field of ignored) assert.ok(!immutable.includes(field), `${kind.kind} ignores ${field} and replaces for it`)
      }
    }),

    check('have a sample each, and a change for those that can update', (kinds) => {
      for (const kind of kinds) {
        if (kind.kind in withoutSample) continue
        const own = samples.filter((sample) => sample.kind === kind.kind)
        assert.ok(own.length > 0, `${kind.kind} has no sample`)
        assert.ok(kind.update === undefined || own.some((sample) => sample.change !== undefined), `${kind.kind} can update, and no sample changes anything`)
      }
      for (const name of [...samples.map(({ kind }) => kind), ...Object.keys(withoutSample)]) assert.ok(kinds.some(({ kind }) => kind === name), `there is no kind ${name}`)
    }),
  ]
}
