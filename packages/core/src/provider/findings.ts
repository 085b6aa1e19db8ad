import { PilotError } from '../errors/pilot-error.ts'
import type { Finding } from './provider.ts'

/** The error of the first problem, with its fix; all of them in its details. Undefined when nothing is missing. */
export function problemOf(findings: readonly Finding[]): PilotError | undefined {
  const problems = findings.filter(({ status }) => status === 'problem')
  const [first, ...others] = problems
  if (first === undefined) return undefined
  return new PilotError(first.code ?? 'CHECK_FAILED', first.title, {
    ...(others.length === 0 ? {} : { reason: `Also: ${others.map(({ title }) => title).join('; ')}.` }),
    ...(first.fix === undefined ? {} : { suggestion: first.fix }),
    details: { findings: problems },
  })
}
