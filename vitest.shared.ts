import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { ResultsReporter } from './scripts/test/reporter.ts'

/** Tests read the sources of the other packages, so nothing needs to be built before them. */
const conditions = ['@pilot/source', 'module', 'node', 'development|production']

export const packageTests: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@pilot/source'] } },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', new ResultsReporter('test-results.json')],
    // Two packages may be tested at once.
    maxWorkers: 2,
  },
})
