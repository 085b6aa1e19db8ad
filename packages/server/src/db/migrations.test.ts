import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../testing/database.ts'
import { openDatabase } from './database.ts'
import { databaseVersion, migrate } from './migrations.ts'

test('several processes bring an empty database to this version at once', async () => {
  await using database = await testDatabase({ migrated: false })
  const second = openDatabase(database.address)
  expect(await Promise.all([migrate(database.db), migrate(second), migrate(database.db)])).toEqual([databaseVersion, databaseVersion, databaseVersion])
  await second.destroy()
  const { rows } = await sql<{ version: number }>`select version from pilot_migrations order by version`.execute(database.db)
  expect(rows.map(({ version }) => version)).toEqual(Array.from({ length: databaseVersion }, (_, index) => index + 1))
})

test('a database of a newer Pilot is refused untouched', async () => {
  await using database = await testDatabase()
  await sql`insert into pilot_migrations (version, name) values (${databaseVersion + 1}, 'from the future')`.execute(database.db)
  await expect(migrate(database.db)).rejects.toMatchObject({ code: 'STATE_NEWER', details: { database: databaseVersion + 1, known: databaseVersion } })
  const { rows } = await sql<{ count: number }>`select count(*) as count from pilot_migrations`.execute(database.db)
  expect(rows[0]!.count).toBe(databaseVersion + 1)
})
