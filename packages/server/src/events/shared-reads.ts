import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import { readEvents, type StoredEvent } from './streams.ts'

export type ReadFrom = (stream: string, after: number) => Promise<readonly StoredEvent[]>

/**
 * A thousand readers that wait for the same event ask the database once. A read that began before a notification may not have
 * seen what it tells of, so nobody joins it afterwards: listeners are all called before any of the readers goes on.
 */
export function sharedReads(db: Database, notifications: Notifications): ReadFrom {
  const known = readers.get(notifications)
  if (known !== undefined) return known
  const underway = new Map<string, Map<number, Promise<readonly StoredEvent[]>>>()
  notifications.on('events', (stream) => (stream === undefined ? underway.clear() : underway.delete(stream)))

  const read: ReadFrom = (stream, after) => {
    const ofStream = underway.get(stream) ?? new Map<number, Promise<readonly StoredEvent[]>>()
    underway.set(stream, ofStream)
    const joined = ofStream.get(after)
    if (joined !== undefined) return joined
    const reading = readEvents(db, { stream, after }).finally(() => {
      ofStream.delete(after)
      if (ofStream.size === 0 && underway.get(stream) === ofStream) underway.delete(stream)
    })
    ofStream.set(after, reading)
    return reading
  }
  readers.set(notifications, read)
  return read
}

const readers = new WeakMap<Notifications, ReadFrom>()
