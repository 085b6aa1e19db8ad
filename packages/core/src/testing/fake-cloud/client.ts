import { PilotError } from '../../errors/pilot-error.ts'
import type { Listed, Ownership } from '../../provider/kind.ts'
import type { CloudRequest, CloudResource, CloudResponse } from './account.ts'

/** What a cloud's SDK would be. Errors are converted here, once. */
export interface FakeClient {
  /** Throws NAME_TAKEN when name or slot are held by something that `owner` did not make. */
  create(request: { readonly owner: Ownership; readonly signal: AbortSignal } & Pick<CloudRequest, 'type' | 'name' | 'token' | 'slot' | 'properties' | 'needs'>): Promise<CloudResource>
  get(request: { readonly type: string; readonly id: string; readonly signal: AbortSignal }): Promise<CloudResource | undefined>
  list(request: { readonly type: string; readonly platformId: string; readonly signal: AbortSignal }): Promise<readonly Listed[]>
  update(request: { readonly type: string; readonly id: string; readonly properties: Readonly<Record<string, unknown>>; readonly needs?: readonly string[]; readonly revision?: number; readonly signal: AbortSignal }): Promise<CloudResource>
  delete(request: { readonly type: string; readonly id: string; readonly signal: AbortSignal }): Promise<void>
}

/** One request and its answer; rejects when there is none. */
export type FakeTransport = (request: CloudRequest, signal: AbortSignal) => Promise<CloudResponse>

export const httpTransport =
  (url: string): FakeTransport =>
  async (request, signal) => {
    const response = await fetch(`${url}/call`, { method: 'POST', body: JSON.stringify(request), signal })
    return { status: response.status as CloudResponse['status'], body: await response.json() }
  }

export function fakeClient(transport: FakeTransport): FakeClient {
  return {
    async create({ owner, signal, ...request }) {
      const { status, body } = await send({ operation: 'create', marks: marksOf(owner), ...request }, signal)
      if (status === 200) return body as CloudResource
      const { message, resource } = body as { message: string; resource: CloudResource }
      const found = ownerOf(resource)
      if (found.platformId === owner.platformId && found.scope === owner.scope && found.key === owner.key && found.generation === owner.generation) return resource
      throw new PilotError('NAME_TAKEN', message, { details: { owner: found } })
    },
    async get({ signal, ...request }) {
      const { status, body } = await send({ operation: 'get', ...request }, signal, [404])
      return status === 404 ? undefined : (body as CloudResource)
    },
    async list({ type, platformId, signal }) {
      const { body } = await send({ operation: 'list', type, marks: { platformId } }, signal)
      return (body as { resources: CloudResource[] }).resources.map((resource) => ({
        id: resource.id,
        owner: ownerOf(resource),
        title: resource.name ?? resource.id,
        ...(resource.marks['retained'] === undefined ? {} : { retained: true }),
        ...(resource.properties['inUse'] === true ? { inUse: true } : {}),
      }))
    },
    async update({ signal, ...request }) {
      return (await send({ operation: 'update', ...request }, signal)).body as CloudResource
    },
    async delete({ signal, ...request }) {
      const { status, body } = await send({ operation: 'delete', ...request }, signal, [404])
      if (status === 409) throw new PilotError('BLOCKED', (body as { message: string }).message)
    },
  }

  async function send(request: Omit<CloudRequest, 'pid'>, signal: AbortSignal, expected: readonly number[] = []): Promise<{ status: number; body: unknown }> {
    const { status, body } = await transport({ pid: process.pid, ...request }, signal)
    if (status === 200 || (status === 409 && request.operation !== 'update') || expected.includes(status)) return { status, body }
    const { message } = body as { message: string }
    if (status === 403) throw new PilotError('ACCESS_DENIED', message)
    if (status === 429) throw new PilotError('THROTTLED', message)
    throw new Error(`The fake cloud answered ${status} to ${request.operation} ${request.type}: ${message}`)
  }
}

/** How this provider maps ownership. */
const marksOf = ({ platformId, scope, key, generation }: Ownership): Record<string, string> => ({ platformId, scope, key, generation: String(generation) })

function ownerOf({ marks: { platformId, scope, key, generation } }: CloudResource): Partial<Ownership> {
  return {
    ...(platformId === undefined ? {} : { platformId }),
    ...(scope === undefined ? {} : { scope }),
    ...(key === undefined ? {} : { key }),
    ...(generation === undefined ? {} : { generation: Number(generation) }),
  }
}
