/**
 * One rule of a contract, as a test that any runner can run: vitest, node:test, or a loop.
 * Suites are lists of these, so that a suite can itself be tested: an implementation that breaks a rule must fail its check.
 */
export interface Check {
  /** What the rule is about: a heading. */
  readonly group: string
  /** The rule, in plain words. */
  readonly title: string
  /** Why it does not apply to this implementation. */
  readonly skip?: string
  /** Rejects when the rule is broken. */
  run(): Promise<void>
}

/** The part of a test runner that is needed; `{ describe, it }` of vitest and of node:test fit. */
export interface TestRunner {
  describe(title: string, body: () => void): unknown
  readonly it: ((title: string, body: () => Promise<void>) => unknown) & { skip(title: string, body: () => Promise<void>): unknown }
}

/** Defines one test per check, under their headings. */
export function defineChecks({ describe, it }: TestRunner, checks: readonly Check[]): void {
  for (const [group, members] of Map.groupBy(checks, (check) => check.group)) {
    describe(group, () => {
      for (const check of members) {
        if (check.skip === undefined) it(check.title, () => check.run())
        else it.skip(`${check.title} (${check.skip})`, () => check.run())
      }
    })
  }
}
