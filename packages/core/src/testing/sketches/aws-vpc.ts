import * as z from 'zod'
import { defineKind } from '../../provider/kind.ts'
import { orAbsent, ownerOfTags, platformFilter, tagsOf, type Aws, type Tags } from './aws.ts'

interface Vpc {
  readonly VpcId: string
  readonly CidrBlock: string
  readonly State: 'pending' | 'available'
  readonly EnableDnsHostnames: boolean
  readonly Tags: Tags
}

/**
 * Like most of EC2: no name, no client token, and a list that lags, so an intent without a result is searched for.
 * DNS host names can only be switched on by a request of its own, which `settle` sends.
 */
export const vpcKind = (aws: Aws) =>
  defineKind({
    kind: 'aws/vpc',
    version: 1,
    inputs: z.object({ cidr: z.string(), dnsHostnames: z.boolean().default(true) }),
    outputs: z.object({ id: z.string() }),
    fields: { immutable: ['cidr'] },
    identity: 'search',
    consistencyMs: 500,
    permissions: ['ec2:CreateVpc', 'ec2:CreateTags', 'ec2:DescribeVpcs', 'ec2:ModifyVpcAttribute', 'ec2:DeleteVpc'],
    cost: () => ({ monthly: 0, currency: 'USD', basis: 'a VPC costs nothing by itself' }),
    exposure: () => [],

    async create({ owner, inputs, signal, checkpoint }) {
      await checkpoint()
      const { Vpc } = await aws.call<{ Vpc: Vpc }>('CreateVpc', { CidrBlock: inputs.cidr, TagSpecifications: [{ ResourceType: 'vpc', Tags: tagsOf(owner) }] }, signal)
      return { id: Vpc.VpcId }
    },
    async settle({ id, inputs, elapsedMs, signal, checkpoint }) {
      const vpc = await describe(aws, id, signal)
      // Right after the creation a look may not see it yet.
      if (vpc === undefined) return elapsedMs < 60_000 ? { status: 'pending' } : { status: 'failed', reason: `${id} does not exist` }
      if (vpc.State !== 'available') return { status: 'pending', message: `it is ${vpc.State}` }
      if (vpc.EnableDnsHostnames !== inputs.dnsHostnames) {
        await checkpoint()
        await aws.call('ModifyVpcAttribute', { VpcId: id, EnableDnsHostnames: { Value: inputs.dnsHostnames } }, signal)
      }
      return { status: 'ready', outputs: { id } }
    },
    async read({ id, signal }) {
      const vpc = await describe(aws, id, signal)
      return vpc && { inputs: { cidr: vpc.CidrBlock, dnsHostnames: vpc.EnableDnsHostnames }, outputs: { id } }
    },
    async list({ platformId, signal }) {
      const { Vpcs } = await aws.call<{ Vpcs: Vpc[] }>('DescribeVpcs', { Filters: platformFilter(platformId) }, signal)
      return Vpcs.map(({ VpcId, Tags, CidrBlock }) => ({ id: VpcId, owner: ownerOfTags(Tags), title: `VPC ${VpcId} (${CidrBlock})` }))
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await aws.call('ModifyVpcAttribute', { VpcId: id, EnableDnsHostnames: { Value: inputs.dnsHostnames } }, signal)
      return {}
    },
    async delete({ id, signal, checkpoint }) {
      await checkpoint()
      await orAbsent(aws.call('DeleteVpc', { VpcId: id }, signal), 'InvalidVpcID.NotFound')
      return {}
    },
  })

async function describe(aws: Aws, id: string, signal: AbortSignal): Promise<Vpc | undefined> {
  const found = await orAbsent(aws.call<{ Vpcs: Vpc[] }>('DescribeVpcs', { VpcIds: [id] }, signal), 'InvalidVpcID.NotFound')
  return found?.Vpcs[0]
}
