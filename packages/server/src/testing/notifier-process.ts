import { openHome } from '@pilot/host'
import { engineRoom } from '../engine-room.ts'
import { silentLog } from '../log.ts'
import { startNotifier } from '../notify/notifier.ts'
import fakeProvider from './fake-provider.ts'

/** A notifier in a process of its own, to be killed. Where it works stands in PILOT_TEST_NOTIFIER, as JSON; it ends with whoever started it. */
process.stdin.resume().once('end', () => process.exit())
const { home, database } = JSON.parse(process.env['PILOT_TEST_NOTIFIER']!) as { home: string; database: object }
const room = await engineRoom({ home: await openHome(home), database, log: silentLog, providers: [fakeProvider], runner: false })
startNotifier({ ...room, log: silentLog, lookMs: 200 })
