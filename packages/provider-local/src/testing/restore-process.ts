/** Restores a backup, to be killed meanwhile: HOME-DIR PLATFORM-ID APP BACKUP ID. Says `done` when it got to the end. */
import { openHome } from '@pilot/host'
import { databaseAdministration } from '../database-administration.ts'

const [dir, platformId, app, backup, id] = process.argv.slice(2) as [string, string, string, string, string]
const administration = databaseAdministration({ home: await openHome(dir), platformId })
await administration.restore({ app: { project: 'shop', app, environment: 'production' }, id, backup, dropOld: false, signal: new AbortController().signal, checkpoint: async () => {}, log: (line) => console.log(line) })
console.log('done')
