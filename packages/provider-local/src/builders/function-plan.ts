import { packageManagerOf, type SourceFacts } from '@pilot/core'
import { languageAmong, type Language } from '../function/handler-file.ts'
import { nodeSteps, pythonSteps, type Step } from './process-plan.ts'

/** How a source becomes a function: pure over the listed files. */
export interface FunctionPlan {
  readonly reason: string
  readonly steps: readonly Step[]
}

/** Undefined when the manifest names no handler, or one that neither stands in the source nor could be built. */
export function planFunction(facts: SourceFacts): FunctionPlan | undefined {
  const { handler } = facts
  if (handler === undefined) return undefined
  const manager = packageManagerOf(facts)
  // A build may write the file: from TypeScript to dist/.
  const language: Language | undefined = languageAmong(facts.files, handler) ?? (manager ? 'node' : undefined)
  if (language === 'python') return { reason: `the handler ${handler} in Python`, steps: hasPackages(facts) ? pythonSteps(facts) : [] }
  return language && { reason: `the handler ${handler} in Node`, steps: manager ? nodeSteps(manager, facts) : [] }
}

const hasPackages = ({ files }: SourceFacts): boolean => ['requirements.txt', 'pyproject.toml'].some((file) => files.includes(file))
