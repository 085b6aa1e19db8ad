import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { readEvents } from './events/streams.ts'
import { testDatabase } from './testing/database.ts'
import { tidyUp } from './tidy.ts'

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
