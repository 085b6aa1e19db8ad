import { PilotError } from '../../errors/pilot-error.ts'
import type { Ownership } from '../../provider/kind.ts'

/** One client for all sketches of Google Cloud: REST with long-running operations, labels as marks, errors converted in one place. */
export interface Gcp {
  get<T>(path: string, signal: AbortSignal): Promise<T | undefined>
  send<T = Operation>(method: 'POST' | 'PATCH' | 'DELETE', path: string, options: { readonly body?: unknown; readonly signal: AbortSignal }): Promise<T>
}

export interface Operation {
  readonly name: string
  readonly done: boolean
  readonly error?: { readonly code: number; readonly message: string }
}

export function gcpClient(endpoint: string): Gcp {
  const request = async (method: string, path: string, { body, signal }: { body?: unknown; signal: AbortSignal }) => {
    const response = await fetch(`${endpoint}${path}`, { method, signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return {
    async get<T>(path: string, signal: AbortSignal) {
      const { status, body } = await request('GET', path, { signal })
      if (status === 404) return undefined
      if (status >= 400) throw gcpError(path, status, String(body['message']))
      return body as T
    },
    async send<T>(method: string, path: string, options: { body?: unknown; signal: AbortSignal }) {
      const { status, body } = await request(method, path, options)
      if (status >= 400) throw gcpError(`${method} ${path}`, status, String(body['message']))
      return body as T
    },
  }
}

/** 404 stays what it is: only the caller knows whether absent is success. */
export function gcpError(what: string, status: number, message: string): Error {
  const code = ({ 400: /in use|being used/.test(message) ? 'BLOCKED' : undefined, 403: 'ACCESS_DENIED', 409: 'NAME_TAKEN', 429: 'THROTTLED' } as const)[status]
  if (code === undefined) return Object.assign(new Error(`${what}: ${status} ${message}`), { status })
  return new PilotError(code, `Google Cloud refused ${what}: ${message}`, { reason: `${status} ${message}` })
}

export const isAbsent = (error: unknown): boolean => (error as { status?: number }).status === 404

/** Names of operations are unique, so the one that was journaled can be asked for by any process. */
export async function operationState(gcp: Gcp, name: string | undefined, signal: AbortSignal): Promise<'pending' | 'done' | { readonly error: string; readonly code: number }> {
  const operation = name === undefined ? undefined : await gcp.get<Operation>(`/operations/${name}`, signal)
  if (operation === undefined) return 'done'
  if (!operation.done) return 'pending'
  return operation.error === undefined ? 'done' : { error: operation.error.message, code: operation.error.code }
}

export type Labels = Readonly<Record<string, string>>

/** Values may hold [a-z0-9_-] only: whatever does not fit is written in hexadecimal. */
export const labelsOf = ({ platformId, scope, key, generation }: Ownership): Labels => ({
  'pilot-platform': platformId,
  'pilot-scope': labelValue(scope),
  'pilot-key': labelValue(key),
  'pilot-generation': String(generation),
})

export function ownerOfLabels(labels: Labels = {}): Partial<Ownership> {
  const { 'pilot-platform': platformId, 'pilot-scope': scope, 'pilot-key': key, 'pilot-generation': generation } = labels
  return { ...(platformId && { platformId }), ...(scope && { scope: textOf(scope) }), ...(key && { key: textOf(key) }), ...(generation && { generation: Number(generation) }) }
}

const labelValue = (text: string) => text.replace(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
const textOf = (label: string) => label.replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
