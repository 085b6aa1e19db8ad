import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { inCampaign } from '../testing/campaign.ts'
import { play } from '../testing/simulation/play.fixture.ts'
import { scenario } from '../testing/simulation/scenario.fixture.ts'

/**
 * Random graphs, changed again and again and destroyed at the end, under an engine that dies, freezes, sleeps and has its clock set,
 * on a cloud that fails, is slow and is consistent only after a while; all in simulated time.
 *
 * A failure prints its seed and path, and the smallest scenario that still fails. The same again:
 *
 *   PILOT_SEED=1234 PILOT_PATH=17:0:3 vitest run src/graph/engine-random.test.ts
 *
 * PILOT_RUNS says how many scenarios; without PILOT_SEED each run tries others.
 */
const { PILOT_SEED: seed, PILOT_PATH: path, PILOT_RUNS: runs } = process.env

test('whatever happens on the way, the end is what was desired, and nothing is doubled, left behind or taken from others', { timeout: 3_600_000 }, async () => {
  const details = await fc.check(fc.asyncProperty(scenario, play), {
    numRuns: runs === undefined ? inCampaign({ full: 10_000, short: 150 }) : Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
    interruptAfterTimeLimit: 3_000_000,
  })
  if (details.failed) throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance })
  expect(details.numRuns).toBeGreaterThan(0)
})
