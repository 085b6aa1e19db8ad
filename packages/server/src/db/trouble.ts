import { isPilotError, PilotError, toPilotError } from '@pilot/core'
import { isDatabaseAway, isDatabaseSilent } from './away.ts'

/** As `toPilotError`, and what the database or the way to it says in words of its own, as an error with a code: DISK_FULL, DATABASE_UNREACHABLE. */
export function toServerError(error: unknown): PilotError {
  if (isPilotError(error)) return error
  const { code, message = '' } = (error ?? {}) as Partial<NodeJS.ErrnoException>
  if (code === '53100') return new PilotError('DISK_FULL', "The disk of Pilot's database is full", { reason: message, suggestion: 'Free some space on the disk of the home (`server status` names it), then run the command again.', cause: error })
  return isDatabaseAway(error) || isDatabaseSilent(error) ? databaseUnreachable(message, error) : toPilotError(error)
}

export const databaseUnreachable = (reason: string, cause?: unknown): PilotError => new PilotError('DATABASE_UNREACHABLE', "Pilot's database does not answer", { reason: `${reason}. What runs is not touched.`, cause })
