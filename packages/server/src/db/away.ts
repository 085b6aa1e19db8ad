/** It ends, it begins, it ended a session, the connection broke: chapters 08 and 57P of PostgreSQL's error codes. */
const codes: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '08000', '08001', '08003', '08006'])
const errnos: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'EAGAIN'])
/** Of a socket. Where a file is not there, it is another call. */
const syscalls: ReadonlySet<string | undefined> = new Set([undefined, 'connect', 'read', 'write'])

/** Whether PostgreSQL was not there, or went in the middle: killed, it is back within a second or two. */
export function isDatabaseAway(error: unknown): boolean {
  const { code = '', message = '', syscall } = (error ?? {}) as Partial<NodeJS.ErrnoException>
  return codes.has(code) || (errnos.has(code) && syscalls.has(syscall)) || /^Connection terminated|^Client has encountered a connection error/.test(message)
}

/** Whether it took a connection, or a question, and said nothing in time: waiting on is of no use. */
export const isDatabaseSilent = (error: unknown): boolean => error instanceof Error && /^(timeout (expired|exceeded when trying to connect)|Query read timeout)/.test(error.message)
