import { mergeConfig } from 'vitest/config'
import { packageTests } from '../../vitest.shared.ts'

/** Every test here starts several processes, which takes its time on a busy machine. */
export default mergeConfig(packageTests, { test: { testTimeout: 90_000, hookTimeout: 90_000 } })
