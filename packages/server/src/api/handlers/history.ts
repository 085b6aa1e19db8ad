import { sql } from 'kysely'
import type { HistoryEntry } from '../../contract/history.ts'
import { activityStream } from '../../events/streams.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** Operations, and what is done at once: secrets, logins, commands. */
export function historyHandlers({ db }: Services) {
  return {
    async history({ query: { limit = 30, project, environment, app } }) {
      const operations = await db
        .selectFrom('operations')
        .selectAll()
        .$if(project !== undefined, (query) => query.where('project', '=', project!))
        .$if(environment !== undefined, (query) => query.where('environment', '=', environment!))
        .$if(app !== undefined, (query) => query.where(sql<boolean>`apps @> ${JSON.stringify([app])}::jsonb`))
        .orderBy('created_at', 'desc')
        .limit(limit)
        .execute()
      const { rows } = await sql<{ at: string; body: Activity }>`
        select at, body from events where stream = ${activityStream} and body->>'what' not like 'operation.%'
          and (${project ?? null}::text is null or body->>'project' = ${project ?? null})
          and (${environment ?? null}::text is null or body->>'environment' = ${environment ?? null})
          and (${app ?? null}::text is null or body::jsonb->'apps' @> ${JSON.stringify([app ?? ''])}::jsonb)
        order by seq desc limit ${limit}`.execute(db)
      const entries: HistoryEntry[] = [
        ...operations.map(({ id, action, platform, by, state, apps, created_at: at, started_at: started, finished_at: finished, error, ...row }) => ({
          at,
          by,
          what: action,
          platform,
          ...(row.project === null ? {} : { project: row.project }),
          ...(row.environment === null ? {} : { environment: row.environment }),
          apps: [...apps],
          outcome: state,
          ...(started === null || finished === null ? {} : { ms: Date.parse(finished) - Date.parse(started) }),
          operation: id,
          ...(error === null ? {} : { text: error.message }),
        })),
        ...rows.map(({ at, body: { what, by = 'unknown', platform, project: of, environment: where, apps = [], text } }) => ({
          at: new Date(at).toISOString(),
          by,
          what,
          ...(platform === undefined ? {} : { platform }),
          ...(of === undefined ? {} : { project: of }),
          ...(where === undefined ? {} : { environment: where }),
          apps: [...apps],
          outcome: what.endsWith('.failed') ? 'failed' : 'done',
          ...(text === undefined ? {} : { text }),
        })),
      ]
      return { entries: entries.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, limit) }
    },
  } satisfies Partial<Handlers>
}

interface Activity {
  readonly what: string
  readonly by?: string
  readonly platform?: string
  readonly project?: string
  readonly environment?: string
  readonly apps?: readonly string[]
  readonly text?: string
}
