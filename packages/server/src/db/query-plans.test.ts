import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testDatabase, type TestDatabase } from '../testing/database.ts'

/** What people ask for again and again reads what it shows, however much there is: no query of these goes through a whole table. */
let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  const { db } = database
  await sql`
    insert into operations (id, action, platform, project, environment, apps, by, state, created_at, started_at, finished_at)
    select 'op' || n, 'up', 'local', 'p' || n % 100, 'production', jsonb_build_array('a' || n % 10), 'ada', 'done', now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute'
    from generate_series(1, 40000) n`.execute(db)
  await sql`
    insert into jobs (id, operation, action, platform, scope, project, environment, app, payload, payload_version, state, after)
    select id || '-1', id, 'up', 'local', 'app/' || project || '/a/production', project, environment, 'a' || right(id, 1), '{}', 1, state, '[]' from operations`.execute(db)
  await sql`insert into events (stream, seq, at, body) select 'op' || n % 20000, n / 20000, now(), '{"type":"notice"}' from generate_series(1, 100000) n`.execute(db)
  await sql`insert into events (stream, seq, at, body) select 'activity', n, now(), json_build_object('what', 'secret.set', 'project', 'p' || n % 100) from generate_series(1, 10000) n`.execute(db)
  await sql`analyze`.execute(db)
}, 120_000)
afterAll(() => database[Symbol.asyncDispose]())

test.each<[string, string]>([
  ['history', `select * from operations order by created_at desc limit 30`],
  ['history of a project', `select * from operations where project = 'p7' order by created_at desc limit 30`],
  ['history of an app', `select * from operations where project = 'p7' and environment = 'production' and apps @> '["a7"]'::jsonb order by created_at desc limit 30`],
  ['history of what was done at once', `select at, body from events where stream = 'activity' and body->>'what' not like 'operation.%' order by seq desc limit 30`],
  ['jobs', `select jobs.*, operations.by from jobs join operations on operations.id = jobs.operation order by jobs.queue_no desc limit 50`],
  ['jobs of an app', `select jobs.*, operations.by from jobs join operations on operations.id = jobs.operation where jobs.project = 'p7' and jobs.environment = 'production' and jobs.app = 'a7' order by jobs.queue_no desc limit 50`],
  ['jobs that failed', `select jobs.*, operations.by from jobs join operations on operations.id = jobs.operation where jobs.state = 'failed' order by jobs.queue_no desc limit 50`],
  ['status: what has not ended', `select jobs.*, operations.by from jobs join operations on operations.id = jobs.operation where jobs.state in ('queued', 'running') order by jobs.queue_no`],
  ['an operation', `select * from operations where id = 'op7'`],
  ['the jobs of an operation', `select * from jobs where operation = 'op7' order by queue_no`],
  ['events of an operation from one on', `select seq, at, operation, body from events where stream = 'op7' and seq > 1 order by seq limit 500`],
])('%s goes through no whole table', async (_, query) => {
  const { rows } = await sql.raw<{ 'QUERY PLAN': string }>(`explain ${query}`).execute(database.db)
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  expect(plan).not.toMatch(/Seq Scan/)
})
