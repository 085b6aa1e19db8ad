import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'

/** Writes what the summary of `npm test` needs: counts, and the names of failed and skipped tests with the reasons of skips. */
export class ResultsReporter implements Reporter {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()].map((test) => ({ test, name: `${module.relativeModuleId} > ${test.fullName}` })))
    const inState = (...states: readonly string[]) => tests.filter(({ test }) => states.includes(test.result().state))
    const failures = [
      ...inState('failed', 'pending').map(({ name }) => ({ name })),
      // A file that does not load has no tests that could fail; neither has a hook of a whole suite.
      ...modules.filter((module) => module.state() === 'failed' && ![...module.children.allTests('failed')].length).map((module) => ({ name: module.relativeModuleId })),
      ...unhandled.map((error) => ({ name: `an error outside of any test: ${error.message}` })),
    ]
    const skips = inState('skipped').map(({ test, name }) => ({ name, reason: reasonOf(test) }))
    writeFileSync(this.#file, JSON.stringify({ passed: inState('passed').length, failed: failures.length, skipped: skips.length, failures, skips }))
  }
}

function reasonOf(test: TestCase): string | undefined {
  const result = test.result()
  if (result.state === 'skipped' && result.note !== undefined) return result.note
  return test.options.mode === 'run' ? 'what its suite needs could not be set up' : undefined
}
