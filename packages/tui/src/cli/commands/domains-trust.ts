import { PilotError } from '@pilot/core/errors'
import type { Authority } from '@pilot/server/contract'
import { common, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { cleanLine } from '../text/clean.ts'
import { takeSteps, trustFacts, type Outcome } from '../trust/machine.ts'
import { trustSteps, typed, type TrustStep } from '../trust/steps.ts'

const everywhere = ['app', 'dir', 'project', 'environment', 'platform'] as const

export const domainsCa = defineCommand({
  name: 'domains ca',
  summary: 'Print the path of the certificate of this machine\'s authority',
  description: ['For programs that are to know the certificates of your apps without the whole machine trusting them. The certificate is no secret; its key never leaves the home.'],
  without: everywhere,
  examples: [
    { run: 'domains ca', summary: 'for `curl --cacert`' },
    { run: 'domains ca --json', summary: 'with name, fingerprint and end' },
  ],
  type: 'query',
  needsServer: true,
  async run(context) {
    const authority = await (await context.client()).request('certificateAuthority', { query: {}, signal: context.signal, timeoutMs: 60_000 })
    await context.output.answer({ ...authority }, () => cleanLine(authority.path))
    context.say('Node: NODE_EXTRA_CA_CERTS=PATH. The whole machine: `domains trust`.')
  },
})

export const domainsTrust = defineCommand({
  name: 'domains trust',
  summary: 'Have this machine and its browsers trust the authority of this home',
  description: [
    'Shows the commands that it would run, and asks. What needs rights that you do not have it prints, for you to run.',
    'Whoever has the key of the authority, which lies in your home and is readable by you alone, can pretend to be any site to programs that trust it. `--undo` ends that.',
    'From then on `up` and `open` give https addresses of apps that have certificates.',
  ],
  options: [{ flags: '--undo', summary: 'Have it trusted no longer.' }, common.yes],
  without: everywhere,
  examples: [
    { run: 'domains trust', summary: 'shows what it would do, and asks' },
    { run: 'domains trust --undo', summary: 'the way back' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { options }) {
    const undo = flag(options, 'undo')
    const client = await context.client()
    const authority = await client.request('certificateAuthority', { query: {}, signal: context.signal, timeoutMs: 60_000 })
    const { env } = context.terminal
    const steps = trustSteps(trustFacts({ env, certificate: authority.path, sha256: authority.sha256 }), { undo })
    if (steps.length === 0) throw new PilotError('CHECK_FAILED', 'Nothing on this machine is known that could trust an authority.', { reason: 'There is neither update-ca-certificates nor update-ca-trust nor certutil with a browser\'s store.', suggestion: '`domains ca` prints the path of the certificate, for programs that take one.' })
    const isRoot = process.getuid?.() === 0
    show(context, { authority, steps, undo, isRoot })
    if (!flag(options, 'yes') && !(await context.ask.confirm({ message: undo ? 'Run these?' : `Trust ${authority.name}?`, flag: '--yes' }))) throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
    const outcomes = await takeSteps(steps, { certificate: authority.path, undo, isRoot, env })
    const took = outcomes.some(({ state }) => state === 'done' || state === 'was so')
    if (took) await client.request('noteTrust', { body: { trusted: !undo }, signal: context.signal })
    for (const outcome of outcomes) tell(context, outcome, { isRoot })
    const failed = outcomes.some(({ state }) => state === 'failed')
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: failed ? 'failed' : 'done', result: { trusted: took ? !undo : authority.trusted, steps: outcomes.map(({ step, ...rest }) => ({ title: step.title, ...rest })) } })
    return failed ? 1 : 0
  },
})

/** What is undone without a question, when the home goes: what it could not do is told. */
export async function endTrust(context: CommandContext, { certificate, sha256 }: { certificate: string; sha256: string }): Promise<readonly string[]> {
  const { env } = context.terminal
  const isRoot = process.getuid?.() === 0
  const outcomes = await takeSteps(trustSteps(trustFacts({ env, certificate, sha256 }), { undo: true }), { certificate, undo: true, isRoot, env })
  for (const outcome of outcomes) if (outcome.state === 'needs root' || outcome.state === 'failed') tell(context, outcome, { isRoot })
  return outcomes.filter(({ state }) => state === 'done').map(({ step }) => `the trust in its certificate authority (${step.title})`)
}

function show({ say, output }: CommandContext, { authority, steps, undo, isRoot }: { authority: Authority; steps: readonly TrustStep[]; undo: boolean; isRoot: boolean }): void {
  say(`${undo ? 'Removes' : 'Adds'} ${cleanLine(authority.name)}, SHA-256 ${authority.sha256}`)
  for (const step of steps) {
    output.progress(`  ${cleanLine(step.title)}`)
    for (const line of typed(step, { isRoot })) output.progress(`    ${cleanLine(line)}`)
  }
}

function tell({ output, say }: CommandContext, outcome: Outcome, { isRoot }: { isRoot: boolean }): void {
  const { err } = output
  const { step, state } = outcome
  if (state === 'done' || state === 'was so') return output.progress(`${err.ok(err.symbol.ok)} ${cleanLine(step.title)}${state === 'was so' ? ': it was so already' : ''}`)
  if (state === 'failed') output.progress(`${err.bad(err.symbol.bad)} ${cleanLine(step.title)}: ${cleanLine(outcome.why)}`)
  else output.progress(`${err.warn(err.symbol.warn)} ${cleanLine(step.title)}: this user may not. Run it yourself, then this command again:`)
  for (const line of typed(step, { isRoot })) say(`    ${cleanLine(line)}`)
}
