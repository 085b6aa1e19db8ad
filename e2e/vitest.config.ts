import { mergeConfig } from 'vitest/config'
import { packageTests } from '../vitest.shared.ts'

/** Each scenario runs the whole product: minutes where unit tests take milliseconds, and one at a time. */
export default mergeConfig(packageTests, {
  test: { include: ['{scenarios,crashes,faults,load}/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 300_000, fileParallelism: false },
})
