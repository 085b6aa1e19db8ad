import { sql } from 'kysely'
import type { AppIdentity } from '@pilot/core'
import type { Database } from '../db/database.ts'
import { mergeSamples, type Sample } from './sample.ts'

export interface AppOnPlatform extends AppIdentity {
  readonly platform: string
}

/**
 * How long samples stay, by how much time each stands for, seconds: what was seen every 15 seconds for three hours, and five
 * minutes of it as one for eight days. Some 3 000 rows an app, below 1 MB.
 */
export const resolutions = [
  { step: 15, keptSeconds: 3 * 3600 },
  { step: 300, keptSeconds: 8 * 24 * 3600 },
] as const

export interface StoredSample extends Sample {
  /** ISO 8601, of its end. */
  readonly at: string
}

/** Keeps one fine sample. The first one after a stretch of five minutes makes that stretch one coarse sample, and forgets what is too old. */
export async function keepSample(db: Database, app: AppOnPlatform, { at, ...sample }: StoredSample): Promise<void> {
  const [fine, coarse] = resolutions
  const previous = await db.selectFrom('metrics').select('at').where(ofApp(app)).where('step', '=', fine.step).orderBy('at', 'desc').limit(1).executeTakeFirst()
  await insert(db, app, { step: fine.step, at, sample })
  if (previous === undefined || stretchOf(previous.at, coarse.step) === stretchOf(at, coarse.step)) return
  const end = new Date((stretchOf(previous.at, coarse.step) + 1) * coarse.step * 1000).toISOString()
  const begin = new Date(Date.parse(end) - coarse.step * 1000).toISOString()
  const rows = await db.selectFrom('metrics').select('data').where(ofApp(app)).where('step', '=', fine.step).where('at', '>=', begin).where('at', '<', end).orderBy('at').execute()
  if (rows.length > 0) await insert(db, app, { step: coarse.step, at: end, sample: mergeSamples(rows.map(({ data }) => data)) })
  for (const { step, keptSeconds } of resolutions) await db.deleteFrom('metrics').where(ofApp(app)).where('step', '=', step).where('at', '<', new Date(Date.parse(at) - keptSeconds * 1000).toISOString()).execute()
}

/** Oldest first, in the finest steps that reach back so far; what no coarse step covers yet, as fine as it was seen. */
export async function readSamples(db: Database, app: AppOnPlatform, { since }: { readonly since: string }): Promise<readonly StoredSample[]> {
  const age = (Date.now() - Date.parse(since)) / 1000
  const { step } = resolutions.find(({ keptSeconds }) => age <= keptSeconds) ?? resolutions.at(-1)!
  const rows = await rowsOf(db, app, { step, since })
  const [{ step: finest }] = resolutions
  const recent = step === finest ? [] : await rowsOf(db, app, { step: finest, since: rows.at(-1)?.at ?? since })
  return [...rows, ...recent].map(({ at, data }) => ({ ...data, at }))
}

/** Apps that nobody samples any more: whatever is left of them after the longest time. */
export async function forgetOldSamples(db: Database): Promise<void> {
  const longest = resolutions.at(-1)!.keptSeconds
  await sql`delete from metrics where at < now() - ${longest} * interval '1 second'`.execute(db)
}

const rowsOf = (db: Database, app: AppOnPlatform, { step, since }: { step: number; since: string }) =>
  db.selectFrom('metrics').select(['at', 'data']).where(ofApp(app)).where('step', '=', step).where('at', '>=', since).orderBy('at').execute()

const stretchOf = (at: string, step: number): number => Math.floor(Date.parse(at) / 1000 / step)

const ofApp = ({ platform, project, environment, app }: AppOnPlatform) => sql<boolean>`platform = ${platform} and project = ${project} and environment = ${environment} and app = ${app}`

async function insert(db: Database, { platform, project, environment, app }: AppOnPlatform, { step, at, sample }: { step: number; at: string; sample: Sample }): Promise<void> {
  await db
    .insertInto('metrics')
    .values({ platform, project, environment, app, step, at, data: JSON.stringify(sample) })
    .onConflict((on) => on.doNothing())
    .execute()
}
