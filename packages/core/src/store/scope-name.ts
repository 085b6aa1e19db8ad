import { PilotError } from '../errors/pilot-error.ts'
import type { ScopeName } from './store.ts'

const part = /^[a-z0-9-]{1,100}$/
const recordId = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/

/** The parts of a scope's name, checked, so that no name can leave the store's folder. */
export function scopeParts(scope: ScopeName): readonly string[] {
  const parts = scope.split('/')
  const shape = parts[0] === 'platform' ? 1 : parts[0] === 'app' ? 4 : 0
  if (parts.length === shape && parts.every((each) => part.test(each))) return parts
  throw new PilotError('USAGE', `"${scope}" is not the name of a scope`, {
    suggestion: 'A scope is `platform` or `app/<project>/<app>/<environment>`, each part of lower-case letters, digits and hyphens.',
  })
}

export function checkRecordId(id: string): string {
  if (recordId.test(id)) return id
  throw new PilotError('USAGE', `"${id}" is not a valid id of a record`, { suggestion: 'Use letters, digits, `.`, `_` and `-`, not beginning with a dot, at most 200.' })
}

/** Ids made of digits come first, by number (`9` before `10`); then the others, by character code. */
export function compareIds(a: string, b: string): number {
  const [first, second] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (first !== second) return first ? -1 : 1
  if (first && Number(a) !== Number(b)) return Number(a) - Number(b)
  return a < b ? -1 : a > b ? 1 : 0
}
