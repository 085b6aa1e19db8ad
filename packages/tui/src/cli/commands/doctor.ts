import { toPilotError } from '@pilot/core/errors'
import type { Doctor } from '@pilot/server/contract'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { findingLines } from '../findings.ts'
import { machineFindings } from '../machine.ts'
import { plural } from '../text/units.ts'

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Check this machine, and say how to get what is missing',
  description: ['Looks at Node, the home, free disk space, the server and what each provider needs. Changes nothing. Ends with 1 when something is missing that Pilot cannot do without.'],
  without: ['app', 'project', 'environment', 'platform', 'dir'],
  examples: [
    { run: 'doctor', summary: 'each finding with its fix' },
    { run: 'doctor --json', summary: 'for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context) {
    const { output, form } = context
    const own = await machineFindings(context.terminal.env)
    const fatal = own.some(({ status }) => status === 'problem')
    // A machine on which the server cannot run still gets its answer.
    const served = fatal ? [] : await serverFindings(context)
    const findings = [...own.map((finding) => ({ ...finding, about: 'machine' })), ...served]
    output.document({ findings })
    for (const [about, members] of Map.groupBy(findings, (finding) => finding.about)) {
      output.result(output.out.strong(about))
      for (const finding of members) for (const line of findingLines(finding, { style: output.out, form })) output.result(`  ${line}`)
    }
    const problems = findings.filter(({ status }) => status === 'problem').length
    const warnings = findings.filter(({ status }) => status === 'warning').length
    context.say(problems + warnings === 0 ? 'Nothing is missing.' : [...(problems > 0 ? [plural(problems, 'problem')] : []), ...(warnings > 0 ? [plural(warnings, 'warning')] : [])].join(', '))
    return problems > 0 ? 1 : 0
  },
})

async function serverFindings(context: CommandContext): Promise<Doctor['findings']> {
  try {
    return (await (await context.client()).request('doctor', { signal: context.signal, timeoutMs: 60_000 })).findings
  } catch (error) {
    const { message, reason, suggestion } = toPilotError(error)
    return [{ about: 'server', id: 'server.start', status: 'problem', title: [message, reason].filter(Boolean).join(' '), fix: suggestion }]
  }
}
