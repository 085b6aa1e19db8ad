import * as z from 'zod'
import { PilotError } from '../../errors/pilot-error.ts'
import { defineKind } from '../../provider/kind.ts'
import { isSameOwner, orAbsent, ownerOfTags, tagsOf, type Aws, type Tags } from './aws.ts'

interface Instance {
  readonly DBInstanceIdentifier: string
  readonly DBInstanceStatus: string
  readonly DBInstanceClass: string
  readonly AllocatedStorage: number
  readonly PendingModifiedValues: Readonly<Record<string, unknown>>
  readonly Endpoint?: { readonly Address: string; readonly Port: number }
  readonly TagList: Tags
}
interface Snapshot {
  readonly DBSnapshotIdentifier: string
  readonly TagList: Tags
}

/** Its identifier is unique, creating takes minutes, the password cannot be read, and deleting leaves a snapshot that is kept on purpose. */
export const rdsInstanceKind = (aws: Aws) =>
  defineKind({
    kind: 'aws/rds-instance',
    version: 1,
    inputs: z.object({ vpc: z.string(), instanceClass: z.string(), sizeGb: z.number(), password: z.string() }),
    outputs: z.object({ host: z.string(), port: z.number() }),
    fields: { immutable: ['vpc'], writeOnly: ['password'] },
    identity: 'name',
    consistencyMs: 0,
    protect: true,
    settleTimeoutMs: 45 * 60_000,
    permissions: ['rds:CreateDBInstance', 'rds:DescribeDBInstances', 'rds:DescribeDBSnapshots', 'rds:ModifyDBInstance', 'rds:DeleteDBInstance', 'rds:AddTagsToResource'],
    cost: ({ instanceClass, sizeGb }) => (instanceClass === 'db.t4g.micro' ? { monthly: 11.68 + sizeGb * 0.115, currency: 'USD', basis: `730 h at 0.016 USD and ${sizeGb} GB at 0.115 USD, us-east-1` } : { unpriced: `no price of ${instanceClass} is known` }),
    exposure: () => [{ what: 'port 5432', to: 'network' }],

    async create({ name, owner, inputs, signal, checkpoint }) {
      const known = await describe(aws, name, signal)
      if (known !== undefined) {
        if (!isSameOwner(ownerOfTags(known.TagList), owner)) throw new PilotError('NAME_TAKEN', `The database instance ${name} exists and is not Pilot's`)
        return { id: name }
      }
      await checkpoint()
      const { vpc, instanceClass, sizeGb, password } = inputs
      await aws.call('CreateDBInstance', { DBInstanceIdentifier: name, DBSubnetGroupName: vpc, DBInstanceClass: instanceClass, AllocatedStorage: sizeGb, MasterUserPassword: password, Tags: tagsOf(owner) }, signal)
      return { id: name }
    },
    async settle({ id, signal }) {
      const found = await describe(aws, id, signal)
      if (found === undefined) return { status: 'failed', reason: `${id} does not exist` }
      if (['failed', 'incompatible-parameters', 'storage-full'].includes(found.DBInstanceStatus)) return { status: 'failed', reason: `it is ${found.DBInstanceStatus}` }
      const isChanging = Object.keys(found.PendingModifiedValues).length > 0
      if (found.DBInstanceStatus !== 'available' || isChanging) return { status: 'pending', retryAfterMs: 20, message: `it is ${isChanging ? 'being modified' : found.DBInstanceStatus}` }
      return { status: 'ready', outputs: outputsOf(found) }
    },
    async read({ id, signal }) {
      const found = await describe(aws, id, signal)
      return found && { inputs: { instanceClass: found.DBInstanceClass, sizeGb: found.AllocatedStorage }, outputs: outputsOf(found) }
    },
    async list({ platformId, signal }) {
      const isOurs = (tags: Tags) => ownerOfTags(tags).platformId === platformId
      const { DBInstances } = await aws.call<{ DBInstances: Instance[] }>('DescribeDBInstances', {}, signal)
      const { DBSnapshots } = await aws.call<{ DBSnapshots: Snapshot[] }>('DescribeDBSnapshots', {}, signal)
      return [
        ...DBInstances.filter(({ TagList }) => isOurs(TagList)).map(({ DBInstanceIdentifier: id, TagList }) => ({ id, owner: ownerOfTags(TagList), title: `database instance ${id}`, inUse: true })),
        ...DBSnapshots.filter(({ TagList }) => isOurs(TagList)).map(({ DBSnapshotIdentifier: id, TagList }) => ({ id, owner: ownerOfTags(TagList), title: `final snapshot ${id}`, retained: true })),
      ]
    },
    async update({ id, inputs, changed, signal, checkpoint }) {
      await checkpoint()
      const { instanceClass, sizeGb, password } = inputs
      await aws.call('ModifyDBInstance', { DBInstanceIdentifier: id, DBInstanceClass: instanceClass, AllocatedStorage: sizeGb, ...(changed.includes('password') && { MasterUserPassword: password }), ApplyImmediately: true }, signal)
      return {}
    },
    async delete({ id, signal, checkpoint }) {
      const found = await describe(aws, id, signal)
      if (found === undefined || found.DBInstanceStatus === 'deleting') return {}
      await checkpoint()
      await orAbsent(aws.call('DeleteDBInstance', { DBInstanceIdentifier: id, FinalDBSnapshotIdentifier: `${id}-final` }, signal), 'DBInstanceNotFound')
      return {}
    },
  })

const outputsOf = ({ Endpoint }: Instance) => ({ host: Endpoint?.Address ?? '', port: Endpoint?.Port ?? 5432 })

async function describe(aws: Aws, id: string, signal: AbortSignal): Promise<Instance | undefined> {
  const found = await orAbsent(aws.call<{ DBInstances: Instance[] }>('DescribeDBInstances', { DBInstanceIdentifier: id }, signal), 'DBInstanceNotFound')
  return found?.DBInstances[0]
}
