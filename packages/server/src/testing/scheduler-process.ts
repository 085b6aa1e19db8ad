import { openHome } from '@pilot/host'
import { engineRoom } from '../engine-room.ts'
import { silentLog } from '../log.ts'
import { systemClock } from '../schedule/clock.ts'
import { startScheduler } from '../schedule/scheduler.ts'
import { scheduleTypes } from '../schedule/types.ts'
import fakeProvider from './fake-provider.ts'

/** A scheduler in a process of its own, to be killed, whose clock begins at `now`. Where it works stands in PILOT_TEST_SCHEDULER, as JSON; it ends with whoever started it. */
process.stdin.resume().once('end', () => process.exit())
const { home, database, now } = JSON.parse(process.env['PILOT_TEST_SCHEDULER']!) as { home: string; database: object; now: string }
const room = await engineRoom({ home: await openHome(home), database, log: silentLog, providers: [fakeProvider], runner: false })
startScheduler({ ...room, logs: room.home.logs, types: scheduleTypes(room), log: silentLog, clock: { ...systemClock, now: () => Date.parse(now) + performance.now() } })
