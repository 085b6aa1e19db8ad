import { sql } from 'kysely'
import { PilotError } from '@pilot/core'
import type { Database, Tx } from './database.ts'

export interface DatabaseStep {
  readonly name: string
  readonly up: string
}

/**
 * The schema, step by step. A step expands only (adds tables, nullable columns, indexes), so that the version before still
 * works beside this one; what is no longer needed is dropped one version later. Steps are never edited after a release.
 */
export const databaseSteps: readonly DatabaseStep[] = [
  {
    name: 'operations, jobs and events',
    up: `
      create table operations (
        id text primary key,
        request_id text unique,
        action text not null,
        platform text not null,
        project text,
        environment text,
        apps jsonb not null,
        by text not null,
        state text not null,
        created_at timestamptz not null default now(),
        started_at timestamptz,
        finished_at timestamptz,
        url text,
        error json
      );
      create table jobs (
        id text primary key,
        operation text not null references operations(id) on delete cascade,
        queue_no bigint generated always as identity unique,
        action text not null,
        platform text not null,
        scope text not null,
        project text,
        environment text,
        app text,
        payload json not null,
        payload_version int not null,
        state text not null,
        attempt int not null default 0,
        runner jsonb,
        after jsonb not null,
        heartbeat_at timestamptz,
        cancel_requested_by text,
        result json,
        error json,
        created_at timestamptz not null default now(),
        started_at timestamptz,
        finished_at timestamptz
      );
      create index jobs_operation on jobs (operation);
      create index jobs_unfinished on jobs (platform, scope, queue_no) where state in ('queued', 'running');
      create index jobs_app on jobs (project, environment, app, queue_no desc);
      create table streams (name text primary key, last bigint not null);
      create table events (
        stream text not null,
        seq bigint not null,
        at timestamptz not null,
        operation text,
        body json not null,
        primary key (stream, seq)
      );
      create table phase_durations (
        id bigint generated always as identity primary key,
        project text not null,
        environment text not null,
        app text not null,
        phase text not null,
        ms int not null,
        at timestamptz not null default now()
      );
      create index phase_durations_app on phase_durations (project, environment, app, phase, id desc);
    `,
  },
  {
    name: 'metrics',
    up: `
      create table metrics (
        platform text not null,
        project text not null,
        environment text not null,
        app text not null,
        step int not null,
        at timestamptz not null,
        data jsonb not null,
        primary key (platform, project, environment, app, step, at)
      );
    `,
  },
  {
    name: 'schedules',
    up: `
      create table schedules_seen (
        platform text not null,
        project text not null,
        environment text not null,
        app text not null,
        type text not null,
        name text not null,
        times text not null,
        seen_until timestamptz not null,
        primary key (platform, project, environment, app, type, name)
      );
      create table schedule_runs (
        id text primary key,
        platform text not null,
        project text not null,
        environment text not null,
        app text not null,
        type text not null,
        name text not null,
        due_at timestamptz,
        by text not null,
        state text not null,
        deployment text not null,
        version int not null,
        runner jsonb,
        heartbeat_at timestamptz,
        end_requested boolean not null default false,
        operation text,
        exit_code int,
        error json,
        started_at timestamptz not null,
        finished_at timestamptz,
        unique (platform, project, environment, app, type, name, due_at)
      );
      create index schedule_runs_newest on schedule_runs (project, environment, app, type, name, started_at desc);
      create index schedule_runs_running on schedule_runs (platform, project, environment, app) where state = 'running';
    `,
  },
  {
    name: 'notifications',
    up: `
      create table notices (
        id bigint generated always as identity primary key,
        platform text not null,
        at timestamptz not null default now(),
        body json not null,
        spread boolean not null default false
      );
      create index notices_fresh on notices (id) where not spread;
      create table deliveries (
        id bigint generated always as identity primary key,
        notice bigint not null references notices(id) on delete cascade,
        platform text not null,
        channel text not null,
        state text not null default 'waiting',
        attempts int not null default 0,
        next_at timestamptz not null default now(),
        sent_at timestamptz,
        failed_at timestamptz,
        error text,
        unique (notice, channel)
      );
      create index deliveries_channel on deliveries (platform, channel, state);
      create table incidents (
        key text primary key,
        since timestamptz not null default now()
      );
    `,
  },
  {
    name: 'commands of people, while they run',
    up: `
      create table commands (
        id bigint generated always as identity primary key,
        platform text not null,
        project text not null,
        environment text not null,
        app text not null,
        deployment text not null,
        runner jsonb not null,
        started_at timestamptz not null default now()
      );
    `,
  },
  {
    name: 'what is asked for again and again is found, however much there is',
    up: `
      create index operations_newest on operations (created_at desc);
      create index operations_project on operations (project, environment, created_at desc);
      create index operations_finished on operations (finished_at desc) where finished_at is not null;
      create index jobs_state on jobs (state, queue_no desc) where state not in ('done');
    `,
  },
]

export const databaseVersion = databaseSteps.length

/**
 * Brings the database to this version; several processes may call it at once. A database of a newer Pilot is refused
 * untouched (STATE_NEWER). `steps` are those of another version, for tests.
 */
export async function migrate(db: Database, { steps = databaseSteps }: { steps?: readonly DatabaseStep[] } = {}): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext('pilot migrations'))`.execute(tx)
    const version = await versionOf(tx)
    if (version > steps.length) {
      throw new PilotError('STATE_NEWER', `The control database has version ${version}; this Pilot knows ${steps.length}.`, {
        suggestion: 'Start the Pilot that was here last: what is queued waits for it. This one changed nothing.',
        details: { database: version, known: steps.length },
      })
    }
    for (const [index, { name, up }] of steps.entries()) {
      if (index < version) continue
      await sql.raw(up).execute(tx)
      await sql`insert into pilot_migrations (version, name) values (${index + 1}, ${name})`.execute(tx)
    }
    return steps.length
  })
}

async function versionOf(tx: Tx): Promise<number> {
  const { rows } = await sql<{ found: string | null }>`select to_regclass('pilot_migrations')::text as found`.execute(tx)
  if (rows[0]?.found == null) {
    await sql`create table pilot_migrations (version int primary key, name text not null, at timestamptz not null default now())`.execute(tx)
    return 0
  }
  const { rows: newest } = await sql<{ version: number | null }>`select max(version) as version from pilot_migrations`.execute(tx)
  return newest[0]?.version ?? 0
}
