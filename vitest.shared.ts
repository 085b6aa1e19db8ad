import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests read the sources of the other packages, so nothing needs to be built before them. */
const conditions = ['@pilot/source', 'module', 'node', 'development|production']

export const packageTests: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@pilot/source'] } },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: 'dist/test-results.json' }]],
  },
})
