import type { Database } from '../db/database.ts'
import { createOperation } from '../jobs/create.ts'
import { planJobs } from '../jobs/plan.ts'
import { requestIdOf } from './runs.ts'
import type { ScheduleType } from './schedule.ts'

const backupsName = 'database'

/** `database: { backup: … }`: an operation of the queue like one that somebody asks for, which waits for what works on the app. */
export function backups({ db }: { readonly db: Database }): ScheduleType {
  return {
    type: 'backup',
    schedulesOf({ run: { database } }) {
      if (database === undefined || 'from' in database || database.backup === undefined) return []
      const { schedule, timeZone, keep } = database.backup
      return [{ name: backupsName, expression: schedule, timeZone, overlap: 'skip', missed: 'once', what: `backup, the newest ${keep} stay` }]
    },
    async run({ id, schedule: { platform, app, deployment }, by }) {
      const { database } = deployment.run
      const keep = database !== undefined && 'own' in database ? database.backup?.keep : undefined
      const jobs = planJobs({ action: 'backup', app, ...(keep === undefined ? {} : { keep }) })
      const { project, environment } = app
      const { operation } = await createOperation(db, { action: 'backup', platform, project, environment, by, jobs, requestId: requestIdOf(id) })
      return { operation: operation.id }
    },
  }
}
