import type { ScheduledRunView } from '../contract/schedules.ts'
import type { RunRow } from './runs.ts'

/** A row as the API shows it. */
export function runView({ id, platform, project, environment, app, type, name, due_at, by, state, version, started_at, finished_at, exit_code, error, operation }: RunRow): ScheduledRunView {
  return {
    id,
    platform,
    app: { project, app, environment },
    type,
    name,
    ...(due_at === null ? {} : { dueAt: due_at }),
    by,
    state,
    version,
    startedAt: started_at,
    ...(finished_at === null ? {} : { finishedAt: finished_at }),
    ...(exit_code === null ? {} : { exitCode: exit_code }),
    ...(error === null ? {} : { error }),
    ...(operation === null ? {} : { operation }),
  }
}
