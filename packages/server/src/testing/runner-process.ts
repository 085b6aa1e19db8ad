import { openHome } from '@pilot/host'
import { engineRoom } from '../engine-room.ts'
import { silentLog } from '../log.ts'
import fakeProvider from './fake-provider.ts'
import partsProvider from './parts-provider.ts'

/** A runner with the providers of the tests, to be killed. Where it works stands in PILOT_TEST_RUNNER, as JSON; it ends with whoever started it. */
process.stdin.resume().once('end', () => process.exit())
const { home, database, runner = {} } = JSON.parse(process.env['PILOT_TEST_RUNNER']!)
await engineRoom({ home: await openHome(home), database, log: silentLog, providers: [fakeProvider, partsProvider], runner })
