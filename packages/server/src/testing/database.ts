import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import pg from 'pg'
import { inject } from 'vitest'
import { openDatabase, type Database, type DatabaseAddress } from '../db/database.ts'
import { migrate } from '../db/migrations.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly address: DatabaseAddress
  readonly db: Database
}

/** A fresh, empty database, dropped at the end. */
export async function testDatabase({ migrated = true } = {}): Promise<TestDatabase> {
  const cluster = inject('postgres')
  const database = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(cluster, `create database ${database}`)
  const address = { ...cluster, database }
  const db = openDatabase(address)
  if (migrated) await migrate(db)
  return {
    address,
    db,
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await asAdmin(cluster, `drop database ${database} with (force)`)
    },
  }
}

/** Empties all tables, which is faster than another database. */
export async function emptied({ db }: TestDatabase): Promise<void> {
  await sql`truncate operations, jobs, streams, events, phase_durations, metrics, schedules_seen, schedule_runs, notices, deliveries, incidents restart identity`.execute(db)
}

async function asAdmin(cluster: DatabaseAddress, statement: string): Promise<void> {
  const client = new pg.Client(cluster)
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
