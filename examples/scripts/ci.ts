/**
 * Deploys from a CI job: no questions, one line per event, the error and an exit code that says what kind it was.
 *
 *   npx node --conditions=@pilot/source examples/scripts/ci.ts examples/todo production
 *
 * Two jobs of one branch may overlap: the second waits for the first, at most ten minutes. A job that CI stops (SIGTERM) is cancelled
 * cleanly; one that is killed is gone on with by the next.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { catalogue, findPlatform, loadProject, openPlatform, packSource, resolveApps, toPilotError, up, type EventBody } from '@pilot/core'
import local from '@pilot/provider-local'

const [folder = '.', environment = 'production'] = process.argv.slice(2)
const home = process.env['PILOT_HOME'] ?? join(homedir(), '.pilot')
const by = process.env['CI_JOB_URL'] ?? process.env['GITHUB_ACTOR'] ?? 'ci'

const stopped = new AbortController()
process.once('SIGTERM', () => stopped.abort())
process.once('SIGINT', () => stopped.abort())

try {
  // In CI the platform is there: a job that makes one by accident would deploy to nobody.
  await using platform = await openPlatform({ home, platform: await findPlatform(home), provider: local })
  const context = platform.context({ by, managedBy: 'script', signal: stopped.signal, waitForLeaseMs: 10 * 60_000, emit: print, log: (line) => console.error(line) })
  const project = await loadProject({ dir: folder })
  for (const app of resolveApps({ project, environment })) {
    const source = project.apps.find(({ name }) => name === app.app.app)?.source
    if (source?.type !== 'directory') throw new Error(`${app.app.app} has no folder here`)
    const { changed, deployment, url } = await up(context, { app, source: await packSource({ dir: source.dir, build: app.build }) })
    console.log(`${app.app.app}: v${deployment.number} ${changed ? 'released' : 'was live already'}${url === undefined ? '' : ` at ${url}`}`)
  }
} catch (error) {
  const { code, message, reason, suggestion } = toPilotError(error)
  console.error([`${code}: ${message}`, reason, suggestion].filter((line) => line !== undefined).join('\n'))
  // 1 failed, 2 an answer is needed, 3 held by another owner, 4 unhealthy (the old release is kept).
  process.exitCode = catalogue[code].exit
}

function print(event: EventBody): void {
  if (event.type === 'phase.finished') console.log(`${event.app} ${event.phase}: ${event.outcome} after ${event.ms} ms`)
}
