import { commandWords, detectSite, packageManagerOf, type SourceFacts } from '@pilot/core'
import { installStep, withManager, type Step } from './process-plan.ts'

/** How a source becomes a site: pure over the listed files. */
export interface SitePlan {
  readonly reason: string
  readonly steps: readonly Step[]
  /** The folder with the finished files, relative to the source; `.` is the source itself. */
  readonly output: string
}

/** Undefined when it is no site. What the manifest says wins over what was found. */
export function planSite(facts: SourceFacts): SitePlan | undefined {
  const found = detectSite(facts)
  if (facts.static === undefined && found === undefined) return undefined
  const command = facts.static?.command ?? (facts.static?.output === undefined ? found?.static?.command : undefined)
  const output = facts.static?.output ?? (command === undefined ? (found?.static?.output ?? '.') : (found?.static?.output ?? 'dist'))
  return { reason: found?.reason ?? 'the manifest says that it is a site', steps: command === undefined ? [] : buildSteps(command, facts), output: output.replace(/^(?:\.\/)+|\/+$/g, '') || '.' }
}

function buildSteps(command: string, facts: SourceFacts): readonly Step[] {
  const manager = packageManagerOf(facts)
  const install = manager && installStep(manager, facts)
  const words = commandWords(command)
  return [...(install ? [install] : []), { command: manager ? withManager(words, manager, facts) : words, needs: words[0] ?? command }]
}
