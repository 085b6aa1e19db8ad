import { pino, type Logger } from 'pino'

/** The server's own log: one JSON object per line on standard output, which the supervisor sends to a file. Never a secret. */
export interface Log {
  info(message: string, facts?: Readonly<Record<string, unknown>>): void
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void
  error(message: string, facts?: Readonly<Record<string, unknown>>): void
}

export function openLog(name: string): Log {
  // Written at once: lines of a process that is killed are the interesting ones.
  const destination = pino.destination({ dest: 1, sync: true, maxLength: keptBytes })
  // On a full disk the work goes on; lines wait for space, and those beyond are lost.
  destination.on('error', () => {})
  const logger = pino({ base: { name, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } }, destination)
  return logOf(logger)
}

const keptBytes = 256 * 1024

export const silentLog: Log = { info() {}, warn() {}, error() {} }

const logOf = (logger: Logger): Log => ({
  info: (message, facts = {}) => logger.info(facts, message),
  warn: (message, facts = {}) => logger.warn(facts, message),
  error: (message, facts = {}) => logger.error(facts, message),
})
