import { catalogue, type ErrorEntry } from '@pilot/core'
import type { Notice } from './notice.ts'

/** One notice on its way to one channel. */
export interface Message {
  /** The same for each attempt: by it a receiver knows what it has seen. */
  readonly id: string
  /** ISO 8601. */
  readonly at: string
  readonly notice: Notice
  /** So many more that are not sent one by one. */
  readonly more: number
}

/** Raised when a field changes its meaning or goes; new fields may come at any time. */
export const payloadVersion = 1

/** What a webhook and a command get. */
export function payloadOf({ id, at, notice: { event, title, text, ...rest }, more }: Message): Record<string, unknown> {
  return { version: payloadVersion, id, event, at, title, ...(text === undefined ? {} : { text }), ...rest, ...(more === 0 ? {} : { more }) }
}

/** For people, as plain text. */
export function textOf({ notice: { title, text, error, by, operation }, more }: Message): string {
  const lines = [
    title,
    ...(text === undefined ? [] : [text]),
    ...(error?.reason === undefined ? [] : [`Why: ${error.reason}`]),
    ...(error === undefined || pointsBack(error.code) ? [] : [`Try: ${error.suggestion}`]),
    ...(by === undefined ? [] : [`By: ${by}`]),
    ...(operation === undefined ? [] : [`Operation: ${operation}`]),
    ...(more === 0 ? [] : [`… and ${more} more: \`pilot history --all\``]),
  ]
  return lines.join('\n')
}

/** Its suggestion only says where in the error to look. */
const pointsBack = (code: string): boolean => (catalogue as Partial<Record<string, ErrorEntry>>)[code]?.pointsBack === true

export const subjectOf = ({ notice: { title, platform }, more }: Message): string => `[pilot ${platform}] ${title}${more === 0 ? '' : ` and ${more} more`}`.replace(/\s+/g, ' ').slice(0, 200)
