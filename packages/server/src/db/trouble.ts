import { isPilotError, PilotError, toPilotError } from '@pilot/core'

/** As `toPilotError`, and what the database or the way to it says in words of its own, as an error with a code: DISK_FULL, DATABASE_UNREACHABLE. */
export function toServerError(error: unknown): PilotError {
  if (isPilotError(error)) return error
  const { code = '', message = '', syscall } = (error ?? {}) as Partial<NodeJS.ErrnoException>
  if (code === '53100') return new PilotError('DISK_FULL', "The disk of Pilot's database is full", { reason: message, suggestion: 'Free some space on the disk of the home (`server status` names it), then run the command again.', cause: error })
  const isAway = awayCodes.has(code) || (syscall === 'connect' && awayErrnos.has(code)) || (code === '' && awayTexts.test(message))
  return isAway ? databaseUnreachable(message, error) : toPilotError(error)
}

export const databaseUnreachable = (reason: string, cause?: unknown): PilotError => new PilotError('DATABASE_UNREACHABLE', "Pilot's database does not answer", { reason: `${reason}. What runs is not touched.`, cause })

/** It ends, it begins, it ended a session, the connection broke: chapters 08 and 57P of PostgreSQL's error codes. */
const awayCodes: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '08000', '08001', '08003', '08006'])
const awayErrnos: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'EAGAIN'])
/** What pg says without a code. */
const awayTexts = /^(Connection terminated|timeout (expired|exceeded when trying to connect)|Client has encountered a connection error|Query read timeout)/
