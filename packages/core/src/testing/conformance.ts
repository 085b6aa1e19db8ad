import { defineChecks, type Check, type TestRunner } from './check.ts'
import { blueprintChecks } from './conformance/blueprint-checks.ts'
import { kindChecks } from './conformance/kind-checks.ts'
import type { ConformanceEnvironment, ProviderConformanceOptions } from './conformance/options.ts'
import { providerChecks } from './conformance/provider-checks.ts'
import { sampleChecks } from './conformance/sample-checks.ts'
import { workshop } from './conformance/workbench.ts'

export type { ConformanceEnvironment, KindSample, ProviderConformanceOptions, SampleContext } from './conformance/options.ts'

/**
 * # Does my provider fit Pilot?
 *
 * A provider package exports a `CloudProvider` (`defineProvider`). This suite tells whether Pilot can rely on it; a provider
 * that passes appears in the wizard and survives killed processes, lost states and impatient users. Put this in a test file:
 *
 * ```ts
 * import { afterAll, describe, it } from 'vitest'
 * import { defineProviderConformance } from '@pilot/core/testing'
 * import { ref } from '@pilot/core'
 * import provider from './index.ts'
 *
 * defineProviderConformance({ describe, it, afterAll }, {
 *   provider,
 *   // Once for the suite: whatever the provider talks to, and settings that lead there. Never a real account.
 *   setUp: async () => {
 *     const stub = await startStub()
 *     const home = await mkdtemp(join(tmpdir(), 'home-'))
 *     return { settings: { endpoint: stub.url }, home, tearDown: () => stub.close() }
 *   },
 *   // One resource of each kind, as a blueprint would write it, after what it needs.
 *   samples: [
 *     { kind: 'acme/network', graph: () => [{ key: 'network', kind: 'acme/network', inputs: { range: '10.0.0.0/16' } }] },
 *     {
 *       kind: 'acme/database',
 *       graph: ({ secret }) => [
 *         { key: 'network', kind: 'acme/network', inputs: { range: '10.0.0.0/16' } },
 *         { key: 'database', kind: 'acme/database', inputs: { network: ref('network').output('id'), password: secret, sizeGb: 10 } },
 *       ],
 *       change: () => ({ sizeGb: 20 }),
 *     },
 *   ],
 * })
 * ```
 *
 * ## What is checked, and why
 *
 * **The provider**: its name and contract; settings from which a form can be made; `check()` names a fix for whatever is
 * wrong; `connect` creates nothing.
 *
 * **Every kind**: declared completely. Every sample:
 * - *create → settle → read* shows what was asked for. A field that reads back differently would be "changed" in every plan;
 *   a field that cannot be read belongs to `fields.writeOnly`.
 * - *A second connection sees the same*: handlers keep nothing in memory, since any call may come from another process.
 * - *create twice makes one*, for the identities `name` and `token`: after a crash the engine repeats the call.
 * - *list* shows the resource with its owner and nothing of other platforms: recovery and the last sweep of `destroy` rely on it.
 * - *A name that another platform holds* is NAME_TAKEN, never taken over.
 * - *checkpoint() is awaited before each request that changes something*: the suite lets it throw, and nothing may happen.
 * - *update* in place, twice with the same result. *delete* twice; absent is success.
 * - *A planted secret* comes out nowhere: not in ids, outputs, readings, lists, log lines or errors.
 *
 * **Blueprints**: pure and plain JSON; keys unique; kinds known; references lead to outputs that exist; inputs fit the kinds'
 * schemas; the keys and outputs that the lifecycle goes by (`deployment/<id>/…`, `traffic` with `weights`, `url`). Workers and tasks
 * have keys of their own below their deployment's, one resource for each instance, since a release starts and stops them by these;
 * a sample with `fails` shows that a command that ends says why.
 *
 * What a suite cannot see from outside: that marks are set *in the same call* that creates, that errors are converted as
 * `Kind` says, and what a crash between two requests of one handler leaves. `withFaults` of this package helps with those.
 *
 * Every check makes its own resources under a platform id of its own and deletes them; checks may run in any order.
 */
export function defineProviderConformance<E extends ConformanceEnvironment>(runner: TestRunner & { afterAll?(body: () => Promise<void>): unknown }, options: ProviderConformanceOptions<E>): void {
  const { checks, close } = providerConformance(options)
  runner.describe(`conformance of the provider ${options.provider.name}`, () => {
    runner.afterAll?.(close)
    defineChecks(runner, checks)
  })
}

/** The same as a list, for other runners; call `close` when done. */
export function providerConformance<E extends ConformanceEnvironment>(options: ProviderConformanceOptions<E>): { readonly checks: readonly Check[]; close(): Promise<void> } {
  // Samples get the environment that their own setUp made.
  const erased = options as unknown as ProviderConformanceOptions
  const shop = workshop(erased)
  const skipped = Object.entries(options.withoutSample ?? {}).map(([kind, reason]): Check => ({ group: kind, title: 'is made, read, listed and deleted', skip: reason, run: async () => {} }))
  return {
    checks: [...providerChecks(erased, shop), ...kindChecks(erased, shop), ...erased.samples.flatMap((sample) => sampleChecks(sample, shop)), ...skipped, ...blueprintChecks(erased, shop)],
    close: () => shop.close(),
  }
}
