import * as z from 'zod'
import type { PilotError } from '../../errors/pilot-error.ts'
import { defineKind } from '../../provider/kind.ts'
import { isAbsent, labelsOf, operationState, ownerOfLabels, type Gcp, type Labels } from './gcp.ts'

interface Service {
  readonly name: string
  readonly uri: string
  readonly labels: Labels
  readonly template: { readonly image: string }
}

/** What lives as long as the app does: the parent that carries the labels for its traffic too. */
export const cloudRunServiceKind = (gcp: Gcp) =>
  defineKind({
    kind: 'gcp/run-service',
    version: 1,
    inputs: z.object({ image: z.string() }),
    outputs: z.object({ name: z.string() }),
    fields: { immutable: ['image'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['run.services.create', 'run.services.get', 'run.services.list', 'run.services.delete', 'run.operations.get'],
    cost: () => ({ monthly: 0, currency: 'USD', basis: 'no instance runs without requests' }),
    exposure: () => [],

    async create({ name, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      try {
        return { id: name, operation: (await gcp.send('POST', '/services', { body: { name, labels: labelsOf(owner), template: { image: inputs.image } }, signal })).name }
      } catch (error) {
        const known = (error as PilotError).code === 'NAME_TAKEN' ? await gcp.get<Service>(`/services/${name}`, signal) : undefined
        if (known === undefined || ownerOfLabels(known.labels).platformId !== owner.platformId) throw error
        return { id: name }
      }
    },
    async settle({ id, operation, signal }) {
      const state = await operationState(gcp, operation, signal)
      if (state === 'pending') return { status: 'pending', retryAfterMs: 20 }
      return state === 'done' ? { status: 'ready', outputs: { name: id } } : { status: 'failed', reason: state.error }
    },
    async read({ id, signal }) {
      const found = await gcp.get<Service>(`/services/${id}`, signal)
      return found && { inputs: { image: found.template.image }, outputs: { name: id } }
    },
    async list({ platformId, signal }) {
      const { services } = (await gcp.get<{ services: Service[] }>('/services', signal))!
      return services.filter(({ labels }) => ownerOfLabels(labels).platformId === platformId).map(({ name, labels }) => ({ id: name, owner: ownerOfLabels(labels), title: `Cloud Run service ${name}` }))
    },
    async delete({ id, signal, checkpoint }) {
      await checkpoint()
      try {
        return { operation: (await gcp.send('DELETE', `/services/${id}`, { signal })).name }
      } catch (error) {
        if (isAbsent(error)) return {}
        throw error
      }
    },
  })
