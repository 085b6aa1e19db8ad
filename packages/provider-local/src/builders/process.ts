import { createHash } from 'node:crypto'
import { PilotError, type BuildCall, type Builder } from '@pilot/core'
import type { Home } from '@pilot/host'
import { artifactFolders } from './artifact-folders.ts'
import { planProcess } from './process-plan.ts'
import { relocate } from './trees.ts'

/** Raised when the same source would be built to something else. */
const recipe = 4

/** Installs and builds a source in a folder of its own, which is the artifact. The same source and arguments are built once per app. */
export function processBuilder({ home, platformId }: { home: Home; platformId: string }): Builder {
  const folders = artifactFolders({ home, platformId })
  return {
    name: 'process',
    target: 'process',
    runsHere: true,
    recipe,

    fits: (facts) => {
      const plan = planProcess(facts)
      return plan && { reason: plan.reason }
    },

    async build(call) {
      const plan = planProcess(call.facts)
      if (!plan) throw new PilotError('NOTHING_DETECTED', `Pilot did not recognise how to run ${call.app.project}/${call.app.app}`)
      const digest = digestOf(call)
      const folder = folders.folderOf(call.app, digest)
      const finish = async ({ source }: { readonly source: string }): Promise<string> => {
        await relocate({ source, folder })
        return source
      }
      await folders.make({ call, folder, steps: plan.steps, finish })
      const { start, processes, release } = plan
      return { digest, type: 'directory', location: folder, ...(start ? { command: start } : {}), ...(processes ? { processes } : {}), ...(release ? { release } : {}) }
    },

    exists: ({ location }) => folders.exists(location),
    remove: ({ location }) => folders.remove(location),
  }
}

/** Node's major version and the machine belong to it: installed packages may hold programs for both. */
function digestOf({ sourceDigest, args, facts }: BuildCall): string {
  const parts = [recipe, sourceDigest, Object.entries(args).sort(), facts.build ?? null, process.platform, process.arch, process.versions.modules]
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`
}
