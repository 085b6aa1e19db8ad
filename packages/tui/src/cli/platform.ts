import { errorFromBody, PilotError } from '@pilot/core/errors'
import type { Platform } from '@pilot/server/contract'
import type { CommandContext } from './context.ts'
import { printFindings } from './findings.ts'
import { runOperation } from './operation.ts'

export type PlatformChoice = { readonly type: 'existing'; readonly name: string } | { readonly type: 'missing-local' }

/** The platform that an operation goes to: the one that is named, else the only one. None at all: a local one can be made. */
export async function choosePlatform(context: CommandContext, named: string | undefined): Promise<PlatformChoice> {
  const { platforms } = await (await context.client()).request('platforms', { signal: context.signal })
  if (named !== undefined) {
    if (platforms.some(({ name }) => name === named)) return { type: 'existing', name: named }
    if (named === 'local' && platforms.length === 0) return { type: 'missing-local' }
    throw noSuchPlatform(named, platforms)
  }
  if (platforms.length === 0) return { type: 'missing-local' }
  if (platforms.length === 1) return { type: 'existing', name: platforms[0]!.name }
  const name = await context.ask.select({ message: 'Which platform?', options: platforms.map(({ name, provider }) => ({ value: name, hint: provider })), flag: '--platform NAME' })
  return { type: 'existing', name }
}

/** The first `up` on a machine makes the local platform and says so. Resolves to its name, or to the exit code of a failure. */
export async function createLocalPlatform(context: CommandContext): Promise<{ name: string } | { exit: number }> {
  context.say('There is no platform yet: creating one on this machine')
  const { findings, problem } = await (await context.client()).request('planPlatform', { body: { provider: 'local', settings: {} }, signal: context.signal, timeoutMs: 120_000 })
  if (problem !== undefined) throw errorFromBody(problem)
  const { output } = context
  printFindings(findings.filter(({ explains, status }) => explains !== undefined && status !== 'ok'), { style: output.err, form: context.form, print: output.progress })
  const result = await runOperation(context, { action: 'setup', provider: 'local', settings: {} }, { partOfMore: true })
  if (result.outcome !== 'done') return { exit: result.exit }
  return { name: (await result.operation()).platform }
}

function noSuchPlatform(named: string, platforms: readonly Platform[]): PilotError {
  const known = platforms.length === 0 ? 'There is none yet.' : `There is ${platforms.map(({ name }) => name).join(', ')}.`
  return new PilotError('NOT_FOUND', `There is no platform ${named}.`, { suggestion: `${known} \`setup PROVIDER --name ${named}\` creates it.` })
}
