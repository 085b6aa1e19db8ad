import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
import { numberedFiles } from './numbered-files.ts'
import { corrupt } from './state-format.ts'
import type { Fence, LeaseRecord, LeaseStore, ScopeName } from './store.ts'

/** The lease as numbered files, one per swap; readers look at the newest. */
export function leaseFiles({ folder }: { folder: string }): LeaseStore {
  const files = numberedFiles({ folder, extension: 'json', keep: 16 })

  return {
    read: async () => (await newest())?.record,
    async swap(previous, next) {
      const stored = await newest()
      if (!isDeepStrictEqual(stored?.record, plain(previous))) return false
      return files.create((stored?.number ?? 0) + 1, `${JSON.stringify(next)}\n`)
    },
  }

  async function newest(): Promise<{ number: number; record: LeaseRecord } | undefined> {
    for (;;) {
      const number = files.newest()
      if (number === undefined) return undefined
      const text = await files.read(number)
      // Pruned between the look and the read: there are newer ones.
      if (text === undefined) continue
      return { number, record: parse(text, files.path(number)) }
    }
  }
}

/** Throws LEASE_LOST unless the fence's token is the one that holds the lease now. */
export async function checkFence({ lease, fence, scope }: { lease: LeaseStore; fence: Fence; scope: ScopeName }): Promise<void> {
  const record = await lease.read()
  if (record?.token === fence.token && record.holder !== undefined) return
  throw leaseLost(scope, record)
}

export function leaseLost(scope: ScopeName, record: LeaseRecord | undefined): PilotError {
  const holder = record?.holder
  return new PilotError('LEASE_LOST', `The lease of ${scope} is no longer ours`, {
    reason: holder === undefined ? 'it was released' : `"${holder.title}" (process ${holder.pid} on ${holder.host}) took it at ${holder.since}`,
    details: { scope, ...(holder === undefined ? {} : { holder }) },
  })
}

/** Optional fields set to undefined do not survive JSON, so they do not count in the comparison. */
const plain = (record: LeaseRecord | undefined): LeaseRecord | undefined => (record === undefined ? undefined : JSON.parse(JSON.stringify(record)))

function parse(text: string, path: string): LeaseRecord {
  try {
    const record = JSON.parse(text) as LeaseRecord
    if (typeof record.token === 'number' && typeof record.beat === 'number' && typeof record.ttlMs === 'number') return record
  } catch {
    // Said below.
  }
  throw corrupt(path, 'it is not a record of a lease', 'Stop every Pilot process of this home, then delete this one file.')
}
