import { PilotError } from '../../errors/pilot-error.ts'
import type { Ownership } from '../../provider/kind.ts'

/** One client for all sketches of AWS: actions by name, tags as the mark of ownership, errors converted in one place. */
export interface Aws {
  call<T = Record<string, unknown>>(action: string, parameters: Record<string, unknown>, signal: AbortSignal): Promise<T>
}

export type Tags = readonly { readonly Key: string; readonly Value: string }[]

export function awsClient(endpoint: string): Aws {
  return {
    async call<T>(action: string, parameters: Record<string, unknown>, signal: AbortSignal) {
      const response = await fetch(endpoint, { method: 'POST', headers: { 'x-amz-target': action }, body: JSON.stringify(parameters), signal })
      const body = (await response.json()) as T & { code?: string; message?: string }
      if (!response.ok) throw awsError(action, body.code ?? String(response.status), body.message ?? '')
      return body
    },
  }
}

const pilotCodes = {
  AccessDenied: 'ACCESS_DENIED',
  UnauthorizedOperation: 'ACCESS_DENIED',
  Throttling: 'THROTTLED',
  DependencyViolation: 'BLOCKED',
  DBInstanceAlreadyExists: 'NAME_TAKEN',
  PriorityInUse: 'NAME_TAKEN',
} as const

function awsError(action: string, code: string, message: string): Error {
  const pilotCode = pilotCodes[code as keyof typeof pilotCodes]
  const details = { action, code }
  return pilotCode === undefined ? Object.assign(new Error(`${action}: ${message}`), { code }) : new PilotError(pilotCode, `AWS refused ${action}: ${message}`, { reason: code, details })
}

/** `undefined` when the call fails because the thing does not exist: the only error that means "absent". */
export async function orAbsent<T>(call: Promise<T>, ...codes: readonly string[]): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (codes.includes((error as { code?: string }).code ?? '')) return undefined
    throw error
  }
}

export const tagsOf = ({ platformId, scope, key, generation }: Ownership): Tags => [
  { Key: 'pilot:platform', Value: platformId },
  { Key: 'pilot:scope', Value: scope },
  { Key: 'pilot:key', Value: key },
  { Key: 'pilot:generation', Value: String(generation) },
]

export function ownerOfTags(tags: Tags): Partial<Ownership> {
  const value = (name: string) => tags.find(({ Key }) => Key === `pilot:${name}`)?.Value
  const [platformId, scope, key, generation] = ['platform', 'scope', 'key', 'generation'].map(value)
  return { ...(platformId && { platformId }), ...(scope && { scope }), ...(key && { key }), ...(generation && { generation: Number(generation) }) }
}

export const isSameOwner = (found: Partial<Ownership>, { platformId, scope, key, generation }: Ownership): boolean => found.platformId === platformId && found.scope === scope && found.key === key && found.generation === generation

export const platformFilter = (platformId: string) => [{ Name: 'tag:pilot:platform', Values: [platformId] }]
