import { pipeline } from 'node:stream/promises'
import { isPilotError, PilotError, type HookRunner } from '@pilot/core'
import type { Home } from '@pilot/host'
import tar from 'tar-fs'
import { artifactFolders, extractOptions } from './artifact-folders.ts'
import { prepareBuildHome, runStep } from './process-run.ts'
import { appFolder, withWorkplace } from './workplace.ts'

/** Hooks have the user, the place and the end of a build: docs/decisions/0043. */
export function hookRunner({ home, platformId }: { home: Home; platformId: string }): HookRunner {
  const folders = artifactFolders({ home, platformId })
  return {
    run: async ({ app, hook, command, env, openSource, timeoutMs, signal, log }) => {
      const title = `${app.project}/${app.app}`
      const what = `The hook ${hook} of ${title}`
      const limit = AbortSignal.timeout(timeoutMs)
      const failed = (error: unknown): unknown => {
        if (signal.aborted) return error
        if (limit.aborted) return new PilotError('HOOK_FAILED', `${what} did not end within ${Math.round(timeoutMs / 60_000)} minutes`, { cause: error })
        if (!isPilotError(error) || error.code !== 'BUILD_FAILED') return error
        const more = { ...(error.reason === undefined ? {} : { reason: error.reason }), cause: error }
        // It never ran: which program is missing says more than that it failed.
        if (error.details === undefined) return new PilotError('HOOK_FAILED', error.message, { ...more, suggestion: error.suggestion })
        return new PilotError('HOOK_FAILED', `${what} failed`, { ...more, details: error.details })
      }
      await withWorkplace({
        home,
        title,
        ofApp: appFolder(platformId, app),
        keepsCache: () => folders.holdsAny(app),
        async work(place) {
          const both = AbortSignal.any([signal, limit])
          await pipeline(await openSource(), tar.extract(place.source, extractOptions), { signal: both })
          await prepareBuildHome(place)
          for (const given of [place.source, place.home, place.tmp]) await place.give(given)
          await runStep({ step: { command, needs: command[0]! }, call: { args: env, signal: both, log }, what, place, home })
        },
      }).catch((error: unknown) => {
        throw failed(error)
      })
    },
  }
}
