import type { Domain } from '@pilot/server/contract'
import { appArgument, defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { findProject, refuseUnknownApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { problemsText, stateText } from '../text/domains-text.ts'

export const domains = defineCommand({
  name: 'domains',
  summary: 'Show the domains of apps: where each points, and its certificate',
  description: ['Certificates are made with the release and renewed by themselves when a third of their life is left. A renewal that fails changes nothing, is shown here, and is tried again ever less often.'],
  arguments: [{ ...appArgument, summary: 'The app; default: all of the project, without a project all of the home.' }],
  examples: [
    { run: 'domains', summary: 'all of this project' },
    { run: 'domains web --json', summary: 'with fingerprints and addresses, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const project = await findProject(context)
    const app = args[0] ?? context.globals.app
    const platform = context.globals.platform ?? project?.platform
    const query = { ...(project === undefined ? {} : { project: project.project, environment: project.environment }), ...(app === undefined ? {} : { app }), ...(platform === undefined ? {} : { platform }) }
    const { domains: found } = await (await context.client()).request('domains', { query, signal: context.signal })
    if (found.length === 0 && app !== undefined) await refuseUnknownApp(context, app)
    await context.output.answer({ domains: found }, () => listText(found, context))
  },
})

export const domainsRenew = defineCommand({
  name: 'domains renew',
  summary: 'Renew the certificate of a domain now',
  description: ['Nobody needs it for the usual renewal. It is for when what was wrong has been put right, and you do not want to wait.'],
  arguments: [{ name: '<DOMAIN>', summary: 'The domain.' }],
  without: ['app', 'dir', 'project', 'environment'],
  examples: [{ run: 'domains renew auth.acme.dev', summary: 'after its DNS record was changed' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args: [name = ''] }) {
    const { platform } = context.globals
    const { domain } = await (await context.client()).request('renewCertificate', { params: { domain: name.toLowerCase() }, query: platform === undefined ? {} : { platform }, signal: context.signal, timeoutMs: 120_000 })
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { domain } })
    context.output.result(`${cleanLine(domain.domain)} has a certificate until ${domain.notAfter?.slice(0, 10)}, by ${cleanLine(domain.issuedBy ?? '')}`)
  },
})

async function listText(found: readonly Domain[], { output, typed }: CommandContext): Promise<string> {
  const style = output.out
  if (found.length === 0) return `No app here has a domain with a certificate. Write \`domains:\` in pilot.yaml, then \`${typed('up')}\`.`
  const { table } = await import('../text/table.ts')
  const rows = found.map((domain) => [domain.url ?? domain.domain, `${domain.app.project}/${domain.app.app}${domain.app.environment === 'production' ? '' : ` (${domain.app.environment})`}`, stateText(domain), domain.issuedBy ?? domain.issuer, domain.isHere ? 'here' : domain.pointsTo.join(' ') || 'nowhere'])
  const problems = problemsText(found, style)
  return [table(['DOMAIN', 'APP', 'CERTIFICATE', 'ISSUER', 'POINTS TO'], rows.map((row) => row.map(cleanLine)), { heading: style.dim, width: style.width, whole: ['DOMAIN'] }), ...(problems === '' ? [] : ['', problems])].join('\n')
}

/** After a release: what of its domains does not work yet. The release is done all the same. */
export async function sayDomainProblems(context: CommandContext, query: { project: string; environment: string; platform: string }): Promise<void> {
  const found = await (await context.client()).request('domains', { query, signal: context.signal }).catch(() => undefined)
  const problems = problemsText(found?.domains.filter(({ error }) => error !== undefined) ?? [], context.output.err)
  if (problems !== '') context.say(problems)
}
