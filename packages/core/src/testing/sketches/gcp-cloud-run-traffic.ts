import * as z from 'zod'
import { PilotError } from '../../errors/pilot-error.ts'
import { defineKind, type Ownership } from '../../provider/kind.ts'
import { operationState, ownerOfLabels, type Gcp, type Labels } from './gcp.ts'

interface Service {
  readonly name: string
  readonly uri: string
  readonly etag: string
  readonly labels: Labels
  readonly annotations: Readonly<Record<string, string>>
  readonly traffic: readonly { readonly revision?: string; readonly percent: number }[]
}

/**
 * No resource of its own but a field of the service, which another kind owns: it exists while the service carries its
 * annotation, and its owner is told by that annotation and by the labels of its parent. Changed with the service's etag.
 */
export const cloudRunTrafficKind = (gcp: Gcp) =>
  defineKind({
    kind: 'gcp/run-traffic',
    version: 1,
    inputs: z.object({ service: z.string(), weights: z.array(z.object({ deployment: z.string(), percent: z.number(), revision: z.string() })) }),
    outputs: z.object({ url: z.string() }),
    fields: { immutable: ['service'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['run.services.get', 'run.services.list', 'run.services.update', 'run.operations.get'],
    cost: () => ({ unpriced: 'Cloud Run charges by request' }),
    exposure: () => [{ what: 'the run.app address', to: 'internet' }],

    async create({ owner, inputs, signal, checkpoint }) {
      const service = await gcp.get<Service>(`/services/${inputs.service}`, signal)
      if (service === undefined) throw new PilotError('RESOURCE_FAILED', `The Cloud Run service ${inputs.service} does not exist`)
      if (ownerOfLabels(service.labels).platformId !== owner.platformId) throw new PilotError('NAME_TAKEN', `The Cloud Run service ${inputs.service} is not Pilot's`)
      if (service.annotations[mark] === markOf(owner)) return { id: inputs.service }
      return { id: inputs.service, ...(await patch(gcp, { service, traffic: trafficOf(inputs), mark: markOf(owner), signal, checkpoint })) }
    },
    async settle({ id, operation, signal }) {
      const state = await operationState(gcp, operation, signal)
      if (state === 'pending') return { status: 'pending', retryAfterMs: 20 }
      if (state !== 'done') return { status: 'failed', reason: state.error }
      const service = await gcp.get<Service>(`/services/${id}`, signal)
      return service === undefined ? { status: 'failed', reason: `${id} does not exist` } : { status: 'ready', outputs: { url: service.uri } }
    },
    async read({ id, recorded, signal }) {
      const service = await gcp.get<Service>(`/services/${id}`, signal)
      if (service?.annotations[mark] === undefined) return undefined
      const deploymentOf = (revision: string) => recorded.weights?.find((weight) => weight.revision === revision)?.deployment ?? revision
      const weights = service.traffic.flatMap(({ revision, percent }) => (revision === undefined ? [] : [{ deployment: deploymentOf(revision), percent, revision }]))
      return { inputs: { service: id, weights }, outputs: { url: service.uri } }
    },
    async list({ platformId, signal }) {
      const { services } = (await gcp.get<{ services: Service[] }>('/services', signal))!
      return services.flatMap(({ name, labels, annotations }) => {
        const parent = ownerOfLabels(labels)
        const [key, generation] = annotations[mark]?.split('#') ?? []
        if (parent.platformId !== platformId || key === undefined) return []
        return [{ id: name, owner: { ...parent, key, generation: Number(generation) }, title: `traffic of the Cloud Run service ${name}` }]
      })
    },
    async update({ id, owner, inputs, signal, checkpoint }) {
      const service = await gcp.get<Service>(`/services/${id}`, signal)
      if (service === undefined) throw new PilotError('RESOURCE_FAILED', `The Cloud Run service ${id} does not exist`)
      return patch(gcp, { service, traffic: trafficOf(inputs), mark: markOf(owner), signal, checkpoint })
    },
    async delete({ id, signal, checkpoint }) {
      const service = await gcp.get<Service>(`/services/${id}`, signal)
      if (service?.annotations[mark] === undefined) return {}
      return patch(gcp, { service, traffic: [], signal, checkpoint })
    },
  })

const mark = 'pilot.dev/traffic'
const markOf = ({ key, generation }: Ownership) => `${key}#${generation}`

const trafficOf = ({ weights }: { weights: readonly { percent: number; revision: string }[] }): Service['traffic'] => weights.map(({ percent, revision }) => ({ percent, revision }))

async function patch(gcp: Gcp, { service, traffic, mark: value, signal, checkpoint }: { service: Service; traffic: Service['traffic']; mark?: string; signal: AbortSignal; checkpoint: () => Promise<void> }): Promise<{ operation: string }> {
  const { [mark]: _, ...others } = service.annotations
  const annotations = value === undefined ? others : { ...others, [mark]: value }
  await checkpoint()
  const operation = await gcp.send('PATCH', `/services/${service.name}?updateMask=traffic,annotations`, { body: { etag: service.etag, traffic, annotations }, signal })
  return { operation: operation.name }
}
