import { sql } from 'kysely'
import { hostIdentity, processIdentity } from '@pilot/core'
import { expect, test } from 'vitest'
import { createOperation } from '../jobs/create.ts'
import type { PlannedJob } from '../jobs/plan.ts'
import { claimJob, finishJob } from '../jobs/queue.ts'
import { testDatabase, type TestDatabase } from '../testing/database.ts'
import { databaseSteps, databaseVersion, migrate, type DatabaseStep } from './migrations.ts'

/** This Pilot is N. The next one has a step more; the one before had a step less. */
const next: readonly DatabaseStep[] = [...databaseSteps, { name: 'from the next version', up: 'alter table jobs add column urgency int; create table moods (id text primary key)' }]
const runner = { ...processIdentity()!, ...hostIdentity() }
const restart: PlannedJob = { scope: 'app/shop/api/production', app: { project: 'shop', app: 'api', environment: 'production' }, payload: { action: 'restart', app: { project: 'shop', app: 'api', environment: 'production' } }, after: [] }
const queue = async ({ db }: TestDatabase) => (await createOperation(db, { action: 'restart', platform: 'local', project: 'shop', environment: 'production', by: 'ada', jobs: [restart] })).operation

test('N, N + 1, N: the older server refuses and changes nothing, and the jobs wait for the newer one, which runs each once', async () => {
  await using database = await testDatabase()
  const { db } = database
  const [first, second] = [await queue(database), await queue(database)]
  expect(await migrate(db, { steps: next })).toBe(databaseVersion + 1)
  // As a newer server writes it: in a form that N does not know.
  const third = await queue(database)
  await sql`update jobs set payload_version = payload_version + 1, urgency = 3 where operation = ${third.id}`.execute(db)

  const before = await everything(database)
  await expect(migrate(db)).rejects.toMatchObject({ code: 'STATE_NEWER', message: expect.stringContaining(`version ${databaseVersion + 1}; this Pilot knows ${databaseVersion}`), suggestion: expect.stringContaining('what is queued waits') })
  expect(await everything(database)).toEqual(before)

  expect(await migrate(db, { steps: next })).toBe(databaseVersion + 1)
  for (const { id } of [first, second]) {
    const job = await claimJob(db, runner)
    expect([job?.operation, job?.attempt]).toEqual([id, 1])
    expect(await finishJob(db, job!, { state: 'done', result: {} })).toBe(true)
  }
  // N took what it knows; what N + 1 queued stays for N + 1.
  expect(await claimJob(db, runner)).toBeUndefined()
  expect(await db.selectFrom('jobs').select(['state', 'attempt']).where('operation', '=', third.id).execute()).toEqual([{ state: 'queued', attempt: 0 }])
})

test('a migration that fails half-way leaves the database as it was, and the next attempt goes all the way', async () => {
  await using database = await testDatabase()
  await queue(database)
  const before = await everything(database)
  await expect(migrate(database.db, { steps: [...next, { name: 'broken', up: 'create table half (id int); create table half (id int)' }] })).rejects.toThrow(/already exists/)
  expect(await everything(database)).toEqual(before)
  expect(await migrate(database.db, { steps: next })).toBe(databaseVersion + 1)
  expect((await claimJob(database.db, runner))?.attempt).toBe(1)
})

test('a database of every version before is brought here with what is queued', async () => {
  for (let version = 1; version < databaseVersion; version++) {
    await using database = await testDatabase({ migrated: false })
    await migrate(database.db, { steps: databaseSteps.slice(0, version) })
    const operation = await queue(database)
    expect(await migrate(database.db)).toBe(databaseVersion)
    expect((await claimJob(database.db, runner))?.operation).toBe(operation.id)
  }
})

/** Each row of each table, and the columns. */
async function everything({ db }: TestDatabase): Promise<unknown> {
  const { rows: tables } = await sql<{ name: string; columns: string }>`select table_name as name, string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) as columns from information_schema.columns where table_schema = 'public' group by table_name order by table_name`.execute(db)
  return Promise.all(tables.map(async ({ name, columns }) => ({ name, columns, rows: (await sql<{ row: string }>`select to_jsonb(t)::text as row from ${sql.table(name)} t order by 1`.execute(db)).rows.map(({ row }) => row) })))
}
