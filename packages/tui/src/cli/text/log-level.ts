/** From the least to the most important. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** As loggers write them; numbers as pino and bunyan do. */
const names: Readonly<Record<string, LogLevel>> = {
  ...{ trace: 'trace', verbose: 'trace', silly: 'trace', debug: 'debug', info: 'info', information: 'info', notice: 'info', log: 'info', warn: 'warn', warning: 'warn' },
  ...{ error: 'error', err: 'error', fatal: 'error', critical: 'error', crit: 'error', alert: 'error', emergency: 'error', panic: 'error' },
  ...{ 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'error' },
}

/** In plain text a level stands near the beginning, in capitals, in brackets or as `level=`. */
const inText = /(?:\b(?:level|lvl|severity)=["']?([a-z]+)|[[(<]([a-z]+)[\])>]|\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|PANIC)\b)/gi

/** The level of one line, if it says one: a JSON document by its field, text by a word in its first part. */
export function levelOf(line: string): LogLevel | undefined {
  return line.startsWith('{') ? ofJson(line) : ofText(line.slice(0, 120))
}

function ofJson(line: string): LogLevel | undefined {
  try {
    const entry = JSON.parse(line) as Record<string, unknown>
    const level = entry['level'] ?? entry['severity'] ?? entry['lvl'] ?? entry['levelname'] ?? entry['@level']
    return typeof level === 'string' || typeof level === 'number' ? names[String(level).toLowerCase()] : undefined
  } catch {
    return undefined
  }
}

function ofText(line: string): LogLevel | undefined {
  for (const [, assigned, bracketed, word] of line.matchAll(inText)) {
    // "an error occurred" is no level.
    const isShouted = word !== undefined && word === word.toUpperCase()
    const level = names[(assigned ?? bracketed ?? (isShouted ? word : '')).toLowerCase()]
    if (level !== undefined) return level
  }
  return undefined
}

/** A line that does not say its level counts as `info`. */
export const isAtLeast = (line: string, least: LogLevel): boolean => logLevels.indexOf(levelOf(line) ?? 'info') >= logLevels.indexOf(least)
