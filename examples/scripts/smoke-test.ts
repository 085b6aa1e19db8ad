/**
 * A phase of your own between deploy and release: the new version is asked at its own address before anybody else can reach it.
 *
 *   npx node --conditions=@pilot/source examples/scripts/smoke-test.ts examples/todo /api/todos
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { appStatus, build, deploy, findPlatform, loadProject, openPlatform, packSource, PilotError, push, release, resolveApps, runPhase } from '@pilot/core'
import local from '@pilot/provider-local'

const [folder = '.', ...paths] = process.argv.slice(2)
const home = process.env['PILOT_HOME'] ?? join(homedir(), '.pilot')

await using platform = await openPlatform({ home, platform: await findPlatform(home), provider: local })
const context = platform.context({ by: 'smoke test', managedBy: 'script', emit: (event) => event.type === 'phase.finished' && console.error(`${event.phase} ${event.outcome}`) })

const project = await loadProject({ dir: folder })
const [app] = resolveApps({ project, environment: 'production' })
const source = project.apps[0]?.source
if (app === undefined || source?.type !== 'directory') throw new Error(`${folder} has no app with a folder`)

const built = await build(context, { app, source: await packSource({ dir: source.dir, build: app.build }) })
const staged = await deploy(context, { app, build: await push(context, { app: app.app, build: built }) })
await runPhase(context, { app: app.app, phase: 'smoke test' }, async () => {
  for (const path of paths) {
    const { status } = await fetch(new URL(path, staged.address), { signal: AbortSignal.timeout(10_000) })
    // What has the traffic keeps it; the next deployment replaces the one that is staged.
    if (status >= 400) throw new PilotError('UNHEALTHY', `${path} of v${staged.number} answered ${status}`)
  }
  return { result: undefined, detail: `${paths.length} paths` }
})
await release(context, { app: app.app, deployment: staged.id })
const { url, fallbackUrl } = await appStatus(context, { app: app.app })
console.log(fallbackUrl ?? url)
