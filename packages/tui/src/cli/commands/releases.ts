import { PilotError } from '@pilot/core/errors'
import type { Deployments, Releases } from '@pilot/server/contract'
import { appArgument, defineCommand, value } from '../command.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago } from '../text/units.ts'

export const releases = defineCommand({
  name: 'releases',
  summary: 'List the releases and deployments of an app',
  description: ['v12 is a deployment: an artifact with one version of the configuration. Every release gives the traffic to one; a rollback is a new release of an older deployment. A canary is a release with a share of the traffic; `*` has the traffic, `~` is the canary that is on.'],
  arguments: [appArgument],
  options: [{ flags: '-n, --limit <count>', summary: 'How many; default: 20.' }],
  examples: [
    { run: 'releases', summary: 'the newest 20' },
    { run: 'releases api --json', summary: 'with every field, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const limit = Number(value(options, 'limit') ?? 20)
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new PilotError('USAGE', `--limit wants a whole number from 1 to 1000, not ${value(options, 'limit')}.`)
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const [released, deployed] = await Promise.all([
      client.request('releases', { params, query: { ...query, limit }, signal: context.signal }),
      client.request('deployments', { params, query: { ...query, limit }, signal: context.signal }),
    ])
    const staged = deployed.deployments.filter(({ id }) => deployed.unreleased.includes(id))
    await context.output.answer({ ...released, staged }, () => releasesText({ ...released, staged, limit }, { style: context.output.out, now: Date.now() }))
  },
})

/** Releases and what never was one, in the order in which they came to be, newest first. */
async function releasesText({ releases, deployments, current, canary, staged, limit }: Releases & { readonly staged: Deployments['deployments']; readonly limit: number }, { style, now }: { style: Style; now: number }): Promise<string> {
  if (releases.length === 0 && staged.length === 0) return 'Nothing was released yet; `up` does it.'
  const { table } = await import('../text/table.ts')
  const rows = releases.map((release) => {
    const deployment = deployments.find(({ id }) => id === release.deployment)
    const cells = [
      `${release.number === current ? style.ok('*') : release.number === canary?.release ? style.accent('~') : ' '} ${release.number}`,
      deployment === undefined ? release.deployment : `v${deployment.number}`,
      kindOf(release, releases),
      ago(release.at, now),
      cleanLine(release.by),
      commitText(deployment?.source),
    ]
    return { at: release.at, cells }
  })
  const more = staged.map((deployment) => ({ at: deployment.createdAt, cells: ['  -', `v${deployment.number}`, 'not released', ago(deployment.createdAt, now), cleanLine(deployment.by), commitText(deployment.source)] }))
  const all = [...more, ...rows].toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, limit)
  const because = releases.flatMap(({ number, aborted }) => (aborted?.because === undefined ? [] : [`${number}: ${cleanLine(aborted.because)}.`]))
  const rowsText = table(['RELEASE', 'VERSION', 'KIND', 'WHEN', 'BY', 'COMMIT'], all.map(({ cells }) => cells), { heading: style.dim, width: style.width, cut: ['COMMIT'] })
  return because.length === 0 ? rowsText : `${rowsText}\n\n${because.join('\n')}`
}

/** A step of a canary with its share, and how that canary ended. */
function kindOf(release: Releases['releases'][number], releases: Releases['releases']): string {
  if (release.canary === undefined) return release.kind
  const end = releases.findLast(({ number, canary }) => number > release.number && canary === undefined)
  return `canary ${release.canary.percent} %${end?.aborted?.because === undefined ? '' : ', failed'}`
}

function commitText(source: { readonly commit?: string; readonly message?: string; readonly dirty?: boolean } | undefined): string {
  if (source?.commit === undefined) return ''
  const message = cleanLine((source.message ?? '').split('\n')[0]!)
  return `${source.commit.slice(0, 7)}${source.dirty === true ? '+changes' : ''} ${message.length > 50 ? `${message.slice(0, 49)}…` : message}`.trimEnd()
}
