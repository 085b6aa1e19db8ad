/**
 * A client of the fake cloud for the SIGKILL tests: reads jobs from standard input, one line of JSON each, and answers each
 * with a line. It keeps nothing from one job to the next, so one that survives may take another.
 */
import { createInterface } from 'node:readline'
import { toPilotError } from '../errors/pilot-error.ts'
import { createEngine } from '../graph/engine.ts'
import type { Graph } from '../provider/graph.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import { fakeKinds } from './fake-cloud/kinds.ts'
import { dieAtJournalEntry } from './faults.ts'

export interface Job {
  readonly action: 'apply' | 'destroy' | 'none'
  readonly url: string
  readonly dir: string
  readonly desired: Graph
  readonly dieAt?: { readonly entry: number; readonly moment: 'before' | 'after' }
  readonly consistencyMs: number
}

export interface JobAnswer {
  readonly error?: { readonly code: string; readonly message: string }
  readonly foreign?: readonly string[]
  readonly entries?: number
}

const noSecrets = { name: 'none' } as SecretStore

async function perform({ action, url, dir, desired, dieAt, consistencyMs }: Job): Promise<JobAnswer> {
  if (action === 'none') return {}
  const stored = createFileStore({ dir }).scope('platform')
  let entries = 0
  const scope = { ...stored, appendJournal: (...call: Parameters<typeof stored.appendJournal>) => (entries++, stored.appendJournal(...call)) }
  const lease = await acquireLease({ store: scope, title: action, waitMs: 10_000 })
  try {
    const kinds = fakeKinds({ url, consistencyMs })
    const engine = createEngine({ kinds, scope: dieAt === undefined ? scope : dieAtJournalEntry(scope, dieAt), lease, platformId: 'p1', secrets: noSecrets, width: 3, lateArrivalMs: 150, signal: lease.signal })
    if (action === 'apply') {
      await engine.apply(desired)
      return { entries }
    }
    const { foreign } = await engine.destroy({ confirmProtected: desired.map(({ key }) => key) })
    return { entries, foreign: foreign.map(({ id }) => id) }
  } finally {
    await lease.release()
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  void perform(JSON.parse(line) as Job)
    .catch((error: unknown): JobAnswer => ({ error: { code: toPilotError(error).code, message: toPilotError(error).stack ?? '' } }))
    .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`))
})
process.stdin.on('end', () => process.exit(0))
