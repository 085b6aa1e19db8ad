import { statSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
import { decodeChecked, encodeChecked } from './checked-json.ts'
import { numberedFiles } from './numbered-files.ts'
import { corrupt } from './state-format.ts'
import type { Fence, LeaseRecord, LeaseStore, ScopeName } from './store.ts'

/** The lease as numbered files, one per swap; readers look at the newest. */
export function leaseFiles({ folder }: { folder: string }): LeaseStore {
  const files = numberedFiles({ folder, extension: 'json', keep: 16 })
  // Files are never written twice, and the lease is looked at before every call to a provider: one look at the file's
  // identity is enough when nothing changed.
  let known: { readonly identity: string; readonly number: number; readonly record: LeaseRecord } | undefined

  return {
    read: async () => (await newest())?.record,
    async swap(previous, next) {
      const stored = await newest()
      if (!isDeepStrictEqual(stored?.record, plain(previous))) return false
      return files.create((stored?.number ?? 0) + 1, encodeChecked(JSON.stringify(next)))
    },
  }

  async function newest(): Promise<{ number: number; record: LeaseRecord } | undefined> {
    for (;;) {
      const number = files.newest()
      if (number === undefined) return undefined
      const identity = fileIdentity(files.path(number))
      if (identity !== undefined && known?.identity === identity && known.number === number) return known
      const text = await files.read(number)
      // Pruned between the look and the read: there are newer ones.
      if (text === undefined || identity === undefined) continue
      known = { identity, number, record: parse(text, files.path(number)) }
      return known
    }
  }
}

function fileIdentity(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found && `${found.dev}:${found.ino}:${found.ctimeNs}`
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
    const record = JSON.parse(decodeChecked(text)) as LeaseRecord
    if (typeof record.token === 'number' && typeof record.beat === 'number' && typeof record.ttlMs === 'number') return record
  } catch {
    // Said below.
  }
  throw corrupt(path, 'it is not a record of a lease', 'Stop every Pilot process of this home, then delete this one file.')
}
