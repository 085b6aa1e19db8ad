import { openProviders } from '../providers/installed.ts'
import type { FindOptions } from '../schedule/find-schedules.ts'
import { scheduleTypes } from '../schedule/types.ts'
import { openPlatforms, serverIdOf } from '../wiring.ts'
import fakeProvider from './fake-provider.ts'
import type { TestServer } from './test-server.ts'

/** What a second server of the same home and database would look for schedules with. */
export function findOptionsOf({ home, database: { db } }: TestServer): FindOptions {
  const serverId = serverIdOf(home.id)
  const platforms = openPlatforms({ home: home.dir, providers: openProviders({ home: home.dir, extra: [fakeProvider] }), serverId })
  return { home, platforms, serverId, types: scheduleTypes({ db, platforms }) }
}
