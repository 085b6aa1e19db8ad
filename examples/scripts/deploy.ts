/**
 * Deploys every app of a folder from TypeScript, with no server:
 *
 *   npx node --conditions=@pilot/source examples/scripts/deploy.ts examples/dockerfile
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findPlatform, loadProject, openPlatform, packSource, registerPlatform, resolveApps, setup, up } from '@pilot/core'
import local from '@pilot/provider-local'

const home = process.env['PILOT_HOME'] ?? join(homedir(), '.pilot')
const runtime = process.env['PILOT_RUNTIME'] ?? 'docker'
const record = { name: 'local', provider: { name: 'local', package: '@pilot/provider-local', version: '0.1.0' }, settings: { runtime } }
const platform = await findPlatform(home, 'local').catch(() => registerPlatform(home, record))

await using opened = await openPlatform({ home, platform, provider: local })
const context = opened.context({ by: 'deploy script', managedBy: 'script', log: (line) => console.error(line) })
await setup(context)

const project = await loadProject({ dir: process.argv[2] ?? '.' })
for (const app of resolveApps({ project, environment: 'production' })) {
  const folder = project.apps.find(({ name }) => name === app.app.app)?.source
  if (folder?.type !== 'directory') throw new Error(`${app.app.app} has no folder here`)
  const { url, fallbackUrl } = await up(context, { app, source: await packSource({ dir: folder.dir, build: app.build }) })
  console.log(fallbackUrl ?? url)
}
