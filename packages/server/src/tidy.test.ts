import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { readEvents } from './events/streams.ts'
import { testDatabase } from './testing/database.ts'
import { forgetOldOperations, tidyUp } from './tidy.ts'

test('old operations go with their jobs, events and logs, except for the newest 500 and those that have not ended', async () => {
  await using database = await testDatabase()
  const { db } = database
  const logs = await mkdtemp(join(tmpdir(), 'pilot-test-logs-'))
  await mkdir(join(logs, 'operations'))
  await sql`
    insert into operations (id, action, platform, apps, by, state, finished_at)
    select 'old' || n, 'up', 'local', '[]', 'ada', 'done', now() - interval '100 days' - n * interval '1 minute' from generate_series(1, 502) n`.execute(db)
  await sql`insert into operations (id, action, platform, apps, by, state, created_at) values ('running', 'up', 'local', '[]', 'ada', 'running', now() - interval '1 year')`.execute(db)
  await sql`insert into jobs (id, operation, action, platform, scope, payload, payload_version, state, after) select id || '-1', id, 'up', 'local', 'platform', '{}', 1, state, '[]' from operations`.execute(db)
  await sql`insert into events (stream, seq, at, body) select id, 1, now(), '{}' from operations`.execute(db)
  for (const name of ['old500', 'old501', 'running']) await writeFile(join(logs, 'operations', `${name}.log`), 'built')

  await tidyUp({ db, logs, sources: join(logs, 'none') })

  const left = (await db.selectFrom('operations').select('id').execute()).map(({ id }) => id)
  expect(left).toHaveLength(501)
  expect(left).not.toContain('old501')
  expect(left).not.toContain('old502')
  expect(await db.selectFrom('jobs').select('id').execute()).toHaveLength(501)
  expect(await readEvents(db, { stream: 'old501', after: 0 })).toEqual([])
  expect(await readEvents(db, { stream: 'old500', after: 0 })).toHaveLength(1)
  expect((await readdir(join(logs, 'operations'))).sort()).toEqual(['old500.log', 'running.log'])
  await rm(logs, { recursive: true })
})

test('however new they are, no more than so many ended operations stay, and no more than so many events of them; what has not ended stays', async () => {
  await using database = await testDatabase()
  const { db } = database
  await sql`
    insert into operations (id, action, platform, apps, by, state, created_at, finished_at)
    select 'op' || n, 'up', 'local', '[]', 'ada', 'done', now() - interval '2 days', now() - n * interval '1 minute' from generate_series(1, 3500) n`.execute(db)
  await sql`insert into operations (id, action, platform, apps, by, state, created_at) values ('running', 'up', 'local', '[]', 'ada', 'running', now() - interval '1 year')`.execute(db)
  await sql`insert into jobs (id, operation, action, platform, scope, payload, payload_version, state, after) select id || '-1', id, 'up', 'local', 'platform', '{}', 1, state, '[]' from operations`.execute(db)
  await sql`insert into streams (name, last) select id, 3 from operations`.execute(db)
  await sql`insert into events (stream, seq, at, body) select id, n, now(), '{}' from operations, generate_series(1, 3) n`.execute(db)
  const left = async () => (await sql<{ operations: number; jobs: number; streams: number; events: number }>`select (select count(*) from operations) as operations, (select count(*) from jobs) as jobs, (select count(*) from streams) as streams, (select count(*) from events) as events`.execute(db)).rows[0]
  const bounds = { logs: tmpdir(), days: 90, least: 50, most: 1_000, mostEvents: 10_000 }

  await forgetOldOperations(db, bounds)
  expect(await left()).toEqual({ operations: 1_001, jobs: 1_001, streams: 1_001, events: 3_003 })
  expect((await db.selectFrom('operations').select('id').where('id', 'in', ['op1', 'op1000', 'op1001', 'running']).execute()).map(({ id }) => id).sort()).toEqual(['op1', 'op1000', 'running'])

  await forgetOldOperations(db, { ...bounds, mostEvents: 600 })
  expect(await left()).toEqual({ operations: 201, jobs: 201, streams: 201, events: 603 })

  await forgetOldOperations(db, { ...bounds, mostEvents: 3 })
  expect(await left()).toEqual({ operations: 51, jobs: 51, streams: 51, events: 153 })
})
