import * as z from 'zod'
import type { PilotError } from '../../errors/pilot-error.ts'
import { defineKind } from '../../provider/kind.ts'
import { isAbsent, labelsOf, operationState, ownerOfLabels, type Gcp, type Labels } from './gcp.ts'

interface Instance {
  readonly name: string
  readonly state: 'PENDING_CREATE' | 'RUNNABLE' | 'FAILED'
  readonly ipAddresses: readonly { readonly ipAddress: string }[]
  readonly settings: { readonly tier: string; readonly dataDiskSizeGb: string; readonly settingsVersion: string; readonly userLabels: Labels; readonly ipConfiguration: { readonly privateNetwork: string } }
}

/** A name stays taken for a week after a deletion, so each generation has its own; changes carry the version of the settings that they were made from. */
export const cloudSqlKind = (gcp: Gcp) =>
  defineKind({
    kind: 'gcp/cloud-sql-instance',
    version: 1,
    inputs: z.object({ network: z.string(), tier: z.string(), sizeGb: z.number(), rootPassword: z.string() }),
    outputs: z.object({ host: z.string(), port: z.number() }),
    fields: { immutable: ['network'], writeOnly: ['rootPassword'] },
    identity: 'name',
    consistencyMs: 0,
    protect: true,
    settleTimeoutMs: 30 * 60_000,
    permissions: ['cloudsql.instances.create', 'cloudsql.instances.get', 'cloudsql.instances.list', 'cloudsql.instances.update', 'cloudsql.instances.delete'],
    cost: ({ tier, sizeGb }) => (tier === 'db-f1-micro' ? { monthly: 7.67 + sizeGb * 0.17, currency: 'USD', basis: `730 h at 0.0105 USD and ${sizeGb} GB at 0.17 USD, us-central1` } : { unpriced: `no price of ${tier} is known` }),
    exposure: () => [{ what: 'port 5432', to: 'network' }],

    async create({ name, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      const { network, tier, sizeGb, rootPassword } = inputs
      const settings = { tier, dataDiskSizeGb: String(sizeGb), userLabels: labelsOf(owner), ipConfiguration: { privateNetwork: network } }
      try {
        const operation = await gcp.send('POST', '/instances', { body: { name, databaseVersion: 'POSTGRES_17', rootPassword, settings }, signal })
        return { id: name, operation: operation.name }
      } catch (error) {
        const known = (error as PilotError).code === 'NAME_TAKEN' ? await gcp.get<Instance>(`/instances/${name}`, signal) : undefined
        if (known === undefined || ownerOfLabels(known.settings.userLabels).platformId !== owner.platformId) throw error
        return { id: name }
      }
    },
    async settle({ id, operation, signal }) {
      const state = await operationState(gcp, operation, signal)
      if (typeof state === 'object') return { status: 'failed', reason: state.error }
      const found = await gcp.get<Instance>(`/instances/${id}`, signal)
      if (state === 'pending' || found?.state === 'PENDING_CREATE') return { status: 'pending', retryAfterMs: 20 }
      if (found === undefined || found.state === 'FAILED') return { status: 'failed', reason: found === undefined ? `${id} does not exist` : 'its state is FAILED' }
      return { status: 'ready', outputs: outputsOf(found) }
    },
    async read({ id, signal }) {
      const found = await gcp.get<Instance>(`/instances/${id}`, signal)
      if (found === undefined) return undefined
      const { tier, dataDiskSizeGb, ipConfiguration } = found.settings
      return { inputs: { network: ipConfiguration.privateNetwork, tier, sizeGb: Number(dataDiskSizeGb) }, outputs: outputsOf(found) }
    },
    async list({ platformId, signal }) {
      const { items } = (await gcp.get<{ items: Instance[] }>(`/instances?filter=${encodeURIComponent(`settings.userLabels.pilot-platform:${platformId}`)}`, signal))!
      return items.map(({ name, settings }) => ({ id: name, owner: ownerOfLabels(settings.userLabels), title: `Cloud SQL instance ${name}`, inUse: true }))
    },
    async update({ id, inputs, signal, checkpoint }) {
      const found = await gcp.get<Instance>(`/instances/${id}`, signal)
      await checkpoint()
      const settings = { tier: inputs.tier, dataDiskSizeGb: String(inputs.sizeGb), settingsVersion: found?.settings.settingsVersion }
      const operation = await gcp.send('PATCH', `/instances/${id}`, { body: { settings }, signal })
      return { operation: operation.name }
    },
    async delete({ id, signal, checkpoint }) {
      await checkpoint()
      try {
        return { operation: (await gcp.send('DELETE', `/instances/${id}`, { signal })).name }
      } catch (error) {
        if (isAbsent(error)) return {}
        throw error
      }
    },
  })

const outputsOf = ({ ipAddresses }: Instance) => ({ host: ipAddresses[0]?.ipAddress ?? '', port: 5432 })
