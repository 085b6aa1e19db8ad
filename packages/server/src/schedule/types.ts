import type { Database } from '../db/database.ts'
import type { Platforms } from '../wiring.ts'
import { backups } from './backups.ts'
import { cronJobs } from './cron-jobs.ts'
import type { ScheduleType } from './schedule.ts'

/** Everything that runs on a schedule. */
export const scheduleTypes = (room: { readonly db: Database; readonly platforms: Platforms }): readonly ScheduleType[] => [cronJobs(room), backups(room)]
