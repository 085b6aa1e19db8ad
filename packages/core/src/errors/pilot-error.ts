import { catalogue, type ErrorCode } from './catalogue.ts'

/** The shape of an error in `--json`, in the API and in records. Never carries a secret. */
export interface ErrorBody {
  readonly code: ErrorCode
  /** What happened, naming the thing and the number: "Command timed out after 5000 ms: docker pull x". */
  readonly message: string
  /** Why, in the words of whoever knows (exit code, HTTP status, the provider's text). */
  readonly reason?: string
  /** What to try. */
  readonly suggestion: string
  /** Facts for programs, JSON only. `log` holds the last lines of a log where there is one. */
  readonly details?: Readonly<Record<string, unknown>>
}

export interface PilotErrorOptions {
  readonly reason?: string
  readonly suggestion?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export class PilotError extends Error {
  override readonly name = 'PilotError'
  readonly code: ErrorCode
  readonly reason: string | undefined
  readonly suggestion: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, { reason, suggestion, details, cause }: PilotErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.reason = reason
    this.suggestion = suggestion ?? catalogue[code].suggestion
    this.details = details
  }

  toJSON(): ErrorBody {
    return errorBody(this)
  }
}

/** By shape, never by `instanceof`: a provider package may carry its own copy of core. */
export function isPilotError(error: unknown): error is PilotError {
  return error instanceof Error && error.name === 'PilotError' && typeof (error as PilotError).code === 'string' && (error as PilotError).code in catalogue
}

/** Any thrown value as a PilotError; what is not one becomes INTERNAL, or DISK_FULL, with the value as its cause. */
export function toPilotError(error: unknown): PilotError {
  if (isPilotError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return new PilotError('DISK_FULL', path === undefined ? 'The disk is full' : `The disk is full: ${path} cannot be written`, { reason: message, cause: error })
  return new PilotError('INTERNAL', message, { cause: error })
}

export function errorBody(error: PilotError): ErrorBody {
  return {
    code: error.code,
    message: error.message,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    suggestion: error.suggestion,
    ...(error.details === undefined ? {} : { details: error.details }),
  }
}

/** The inverse of {@link errorBody}; an unknown code (a newer server) becomes INTERNAL and keeps its text. */
export function errorFromBody(body: ErrorBody): PilotError {
  const code = body.code in catalogue ? body.code : 'INTERNAL'
  return new PilotError(code, body.message, body)
}
