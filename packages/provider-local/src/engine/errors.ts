import { isPilotError, PilotError } from '@pilot/core'
import { isEngineInstalled, type EngineAddress } from './find-engine.ts'

interface EngineFailure extends Error {
  readonly statusCode?: number
  readonly code?: string
  readonly json?: { readonly message?: string }
}

/** What dockerode throws, as a PilotError; `doing` names the thing: "The container pilot-…". */
export function engineError(error: unknown, doing: string, address?: EngineAddress): Error {
  if (isPilotError(error)) return error
  const failure = error as EngineFailure
  if (failure.name === 'AbortError') return failure
  const where = address ? ` (${address.via}, ${address.url})` : ''
  switch (failure.code ?? '') {
    case 'ENOENT':
      return isEngineInstalled()
        ? new PilotError('ENGINE_STOPPED', 'The Docker engine is installed but not running', { reason: `There is no socket to speak to${where}.`, cause: error })
        : new PilotError('ENGINE_NOT_INSTALLED', 'No Docker engine is installed', { reason: `There is no socket and no program that would open one${where}.`, cause: error })
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ETIMEDOUT':
      return new PilotError('ENGINE_STOPPED', 'The Docker engine does not answer', { reason: `${failure.code}${where}`, cause: error })
    case 'EACCES':
    case 'EPERM':
      return new PilotError('ENGINE_DENIED', 'The Docker engine refuses this user', { reason: `No permission to open its socket${where}.`, cause: error })
    default:
      break
  }
  const text = engineText(error)
  if (failure.statusCode === 403 || failure.statusCode === 401) return new PilotError('ACCESS_DENIED', `${doing}: the Docker engine refuses`, { reason: text, cause: error })
  if (/no space left on device/i.test(text)) return new PilotError('DISK_FULL', `${doing}: the disk of the Docker engine is full`, { reason: text, suggestion: 'Free some space, for example with `docker image prune`.', cause: error })
  return new PilotError('RESOURCE_FAILED', `${doing}: the Docker engine refuses`, { reason: text, cause: error })
}

export const isAbsent = (error: unknown): boolean => (error as EngineFailure).statusCode === 404
export const isConflict = (error: unknown): boolean => (error as EngineFailure).statusCode === 409
export const isUnchanged = (error: unknown): boolean => (error as EngineFailure).statusCode === 304

/** The engine's own words, without dockerode's prefix. */
export function engineText(error: unknown): string {
  const failure = error as EngineFailure
  return (failure.json?.message ?? failure.message ?? String(error)).trim()
}

/** `undefined` when it does not exist. */
export async function orAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}
