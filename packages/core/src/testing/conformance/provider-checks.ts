import assert from 'node:assert/strict'
import * as z from 'zod'
import { contractVersion } from '../../provider/provider.ts'
import type { Check } from '../check.ts'
import type { ProviderConformanceOptions } from './options.ts'
import type { Workshop } from './workbench.ts'

/** What holds for the provider as a whole. */
export function providerChecks({ provider }: ProviderConformanceOptions, shop: Workshop): readonly Check[] {
  const check = (title: string, run: () => Promise<void>): Check => ({ group: 'the provider', title, run })

  return [
    check('has a name, a title, and this contract version', async () => {
      assert.match(provider.name, /^[a-z][a-z0-9-]*$/, 'the name stands before the / of kinds: lower case')
      assert.ok(provider.title.trim().length > 0, 'people read the title')
      assert.equal(provider.contract, contractVersion)
    }),

    check('describes its settings so that a form can be made of them', async () => {
      const schema = z.toJSONSchema(provider.settings, { io: 'input', unrepresentable: 'any' })
      assert.equal(schema.type, 'object', 'settings are an object')
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        assert.ok(typeof property === 'object' && property.description, `the setting ${name} has no describe(): the form has no label for it`)
      }
      const parsed = provider.settings.safeParse((await shop.environment()).settings)
      assert.ok(parsed.success, `the environment's own settings are refused: ${parsed.error?.message}`)
    }),

    check('checks the machine before and after setup, with a fix for whatever is not well', async () => {
      const { settings, home } = await shop.environment()
      for (const known of [{}, { settings: provider.settings.parse(settings) }]) {
        const findings = await provider.check({ home, ...known })
        const ids = findings.map(({ id }) => id)
        assert.equal(new Set(ids).size, ids.length, `findings share an id: ${ids.join(', ')}`)
        for (const { id, status, title, fix } of findings) {
          assert.ok(id && title, 'a finding has an id and a title')
          assert.ok(['ok', 'warning', 'problem'].includes(status), `${id} has the status ${status}`)
          assert.ok(status === 'ok' || fix, `${id} is a ${status} without a fix`)
        }
      }
    }),

    check('connects without creating anything, and closes', async () => {
      const bench = await shop.open()
      try {
        for (const kind of bench.capabilities.kinds) assert.deepEqual(await bench.list(kind.kind), [], `connecting made a ${kind.kind}, or its list shows what belongs to others`)
      } finally {
        await bench.close()
      }
    }),

    check('has builders with names of their own, for targets that it runs, which judge a source by what they are shown', async () => {
      const bench = await shop.open()
      try {
        const { builders, compute } = bench.capabilities
        assert.equal(new Set(builders.map(({ name }) => name)).size, builders.length, 'two builders share a name')
        for (const builder of builders) {
          assert.ok(compute[builder.target], `the builder ${builder.name} builds for ${builder.target}, which this provider does not run`)
          for (const files of [[], ['Dockerfile', 'package.json', 'server.js']]) {
            const facts = { files, text: (path: string) => (files.includes(path) ? '{}' : undefined) }
            assert.deepEqual(builder.fits(facts), builder.fits(facts), `the builder ${builder.name} judges the same source differently`)
          }
        }
      } finally {
        await bench.close()
      }
    }),
  ]
}
