/**
 * A client of the fake cloud for the SIGKILL tests: reads jobs from standard input, one line of JSON each, and answers each
 * with a line. It keeps nothing from one job to the next, so one that survives may take another.
 */
import { createInterface } from 'node:readline'
import { toPilotError } from '../errors/pilot-error.ts'
import { createEngine, type EngineLease } from '../graph/engine.ts'
import type { Graph } from '../provider/graph.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import { fakeKinds } from './fake-cloud/kinds.ts'
import { dieAtJournalEntry } from './faults.ts'

export interface Job {
  /** Of an account of the fake cloud. */
  readonly url: string
  readonly dir: string
  /** An empty one is a `destroy`. */
  readonly desired: Graph
  /** Keys whose data may go. */
  readonly confirm: readonly string[]
  readonly consistencyMs: number
  readonly dieAt?: { readonly entry: number; readonly moment: 'before' | 'after' }
  /** Stops itself with SIGSTOP right before or right after it has looked for the n-th time whether the lease is its own. */
  readonly stopAt?: { readonly check: number; readonly moment: 'before' | 'after' }
  readonly lease?: { readonly ttlMs: number; readonly maxCallMs: number; readonly waitMs: number }
}

export interface JobAnswer {
  readonly error?: { readonly code: string; readonly message: string; readonly reason?: string }
  readonly foreign?: readonly string[]
  readonly entries?: number
}

const noSecrets = { name: 'none' } as SecretStore

async function perform({ url, dir, desired, confirm, dieAt, stopAt, consistencyMs, lease: leaseOptions = { ttlMs: 15_000, maxCallMs: 60_000, waitMs: 10_000 } }: Job): Promise<JobAnswer> {
  const stored = createFileStore({ dir }).scope('platform')
  let entries = 0
  const scope = { ...stored, appendJournal: (...call: Parameters<typeof stored.appendJournal>) => (entries++, stored.appendJournal(...call)) }
  const lease = await acquireLease({ store: scope, title: `job of ${process.pid}`, ...leaseOptions })
  try {
    const kinds = fakeKinds({ url, consistencyMs })
    const engine = createEngine({ kinds, scope: dieAt === undefined ? scope : dieAtJournalEntry(scope, dieAt), lease: stopAt === undefined ? lease : stopAtCheck(lease, stopAt), platformId: 'p1', secrets: noSecrets, width: 3, lateArrivalMs: 150, signal: lease.signal })
    if (desired.length > 0) {
      await engine.apply(desired, { confirmProtected: confirm })
      return { entries }
    }
    const { foreign } = await engine.destroy({ confirmProtected: confirm })
    return { entries, foreign: foreign.map(({ id }) => id) }
  } finally {
    await lease.release()
  }
}

function stopAtCheck({ fence, checkpoint }: EngineLease, { check: n, moment }: NonNullable<Job['stopAt']>): EngineLease {
  let checks = 0
  return {
    fence,
    async checkpoint() {
      const isIt = ++checks === n
      if (isIt && moment === 'before') process.kill(process.pid, 'SIGSTOP')
      await checkpoint()
      if (isIt && moment === 'after') process.kill(process.pid, 'SIGSTOP')
    },
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  void perform(JSON.parse(line) as Job)
    .catch((thrown: unknown): JobAnswer => {
      const { code, message, reason } = toPilotError(thrown)
      return { error: { code, message, ...(reason === undefined ? {} : { reason }) } }
    })
    .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`))
})
process.stdin.on('end', () => process.exit(0))
