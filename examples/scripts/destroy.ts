/**
 * Removes what deploy.ts made, data included, and then the platform:
 *
 *   npx node --conditions=@pilot/source examples/scripts/destroy.ts
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { destroyApp, destroyPlatform, findPlatform, forgetPlatform, listApps, openPlatform } from '@pilot/core'
import local from '@pilot/provider-local'

const home = process.env['PILOT_HOME'] ?? join(homedir(), '.pilot')
const platform = await findPlatform(home, 'local')
await using opened = await openPlatform({ home, platform, provider: local })
const context = opened.context({ by: 'destroy script', managedBy: 'script' })

for (const app of await listApps(context)) await destroyApp(context, { app, deleteData: true })
const { kept, foreign } = await destroyPlatform(context, { deleteData: true, whenGone: () => forgetPlatform(home, platform.id) })
const left = [...kept, ...foreign].map(({ title }) => title)
console.log(left.length === 0 ? 'Nothing is left.' : `Left: ${left.join(', ')}`)
