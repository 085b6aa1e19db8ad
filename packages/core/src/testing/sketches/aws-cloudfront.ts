import * as z from 'zod'
import { defineKind } from '../../provider/kind.ts'
import { orAbsent, ownerOfTags, tagsOf, type Aws, type Tags } from './aws.ts'

interface Distribution {
  readonly Id: string
  readonly ETag: string
  readonly Status: 'InProgress' | 'Deployed'
  readonly DomainName: string
  readonly Config: { readonly CallerReference: string; readonly Origin: string; readonly Aliases: readonly string[]; readonly Enabled: boolean }
  readonly Tags: Tags
}

/**
 * Deduplicated by its caller reference, changed and deleted with an ETag, minutes until every edge knows. It can only be
 * deleted once it was disabled and every edge knows that too: `delete` asks to be called again.
 */
export const cloudFrontKind = (aws: Aws) =>
  defineKind({
    kind: 'aws/cloudfront-distribution',
    version: 1,
    inputs: z.object({ origin: z.string(), aliases: z.array(z.string()).default([]) }),
    outputs: z.object({ id: z.string(), domain: z.string() }),
    identity: 'token',
    consistencyMs: 0,
    settleTimeoutMs: 30 * 60_000,
    permissions: ['cloudfront:CreateDistributionWithTags', 'cloudfront:GetDistribution', 'cloudfront:ListDistributions', 'cloudfront:UpdateDistribution', 'cloudfront:DeleteDistribution', 'cloudfront:TagResource', 'cloudfront:ListTagsForResource'],
    cost: () => ({ unpriced: 'CloudFront charges by request and byte' }),
    exposure: ({ aliases }) => [{ what: aliases.length === 0 ? 'a cloudfront.net domain' : aliases.join(', '), to: 'internet' }],

    async create({ token, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      const { Distribution } = await aws.call<{ Distribution: Distribution }>('CreateDistributionWithTags', { Config: { CallerReference: token, Origin: inputs.origin, Aliases: inputs.aliases, Enabled: true }, Tags: tagsOf(owner) }, signal)
      return { id: Distribution.Id }
    },
    async settle({ id, signal }) {
      const found = await get(aws, id, signal)
      if (found === undefined) return { status: 'failed', reason: `${id} does not exist` }
      return found.Status === 'Deployed' ? { status: 'ready', outputs: outputsOf(found) } : { status: 'pending', retryAfterMs: 20, message: 'edges are being told' }
    },
    async read({ id, signal }) {
      const found = await get(aws, id, signal)
      return found && { inputs: { origin: found.Config.Origin, aliases: [...found.Config.Aliases] }, outputs: outputsOf(found) }
    },
    async list({ platformId, signal }) {
      const { Distributions } = await aws.call<{ Distributions: Distribution[] }>('ListDistributions', {}, signal)
      return Distributions.filter(({ Tags }) => ownerOfTags(Tags).platformId === platformId).map(({ Id, Tags, DomainName }) => ({ id: Id, owner: ownerOfTags(Tags), title: `distribution ${DomainName}` }))
    },
    async update({ id, inputs, signal, checkpoint }) {
      const found = await get(aws, id, signal)
      await checkpoint()
      await aws.call('UpdateDistribution', { Id: id, IfMatch: found?.ETag, Config: { ...found?.Config, Origin: inputs.origin, Aliases: inputs.aliases } }, signal)
      return {}
    },
    async delete({ id, signal, checkpoint }) {
      const found = await get(aws, id, signal)
      if (found === undefined) return {}
      if (found.Config.Enabled) {
        await checkpoint()
        await aws.call('UpdateDistribution', { Id: id, IfMatch: found.ETag, Config: { ...found.Config, Enabled: false } }, signal)
        return { again: { afterMs: 20, message: 'it is being disabled' } }
      }
      if (found.Status !== 'Deployed') return { again: { afterMs: 20, message: 'it is being disabled' } }
      await checkpoint()
      await orAbsent(aws.call('DeleteDistribution', { Id: id, IfMatch: found.ETag }, signal), 'NoSuchDistribution')
      return {}
    },
  })

const outputsOf = ({ Id, DomainName }: Distribution) => ({ id: Id, domain: DomainName })

async function get(aws: Aws, id: string, signal: AbortSignal): Promise<Distribution | undefined> {
  return (await orAbsent(aws.call<{ Distribution: Distribution }>('GetDistribution', { Id: id }, signal), 'NoSuchDistribution'))?.Distribution
}
