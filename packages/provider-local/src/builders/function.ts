import { createHash } from 'node:crypto'
import { PilotError, type BuildCall, type Builder } from '@pilot/core'
import type { Home } from '@pilot/host'
import { handlerFiles, languageIn } from '../function/handler-file.ts'
import { artifactFolders } from './artifact-folders.ts'
import { planFunction } from './function-plan.ts'
import { relocate } from './trees.ts'

/** Raised when the same source would be built to something else. */
const recipe = 1

/** Installs the packages of a function, and builds it where package.json says how: a folder, in which its handler is a file. */
export function functionBuilder({ home, platformId }: { home: Home; platformId: string }): Builder {
  const folders = artifactFolders({ home, platformId })
  return {
    name: 'function',
    target: 'function',
    runsHere: true,
    recipe,

    fits: (facts) => {
      const plan = planFunction(facts)
      return plan && { reason: plan.reason }
    },

    async build(call) {
      const title = `${call.app.project}/${call.app.app}`
      const { handler } = call.facts
      const plan = planFunction(call.facts)
      if (!plan || handler === undefined) throw new PilotError('NOTHING_DETECTED', `${title} is no function`)
      const digest = digestOf(call)
      const folder = folders.folderOf(call.app, digest)
      const finish = async ({ source }: { readonly source: string }): Promise<string> => {
        if (!(await languageIn(source, handler))) throw new PilotError('BUILD_FAILED', `The build of ${title} left no file for its handler ${handler}`, { reason: `There is no ${handlerFiles(handler)}.`, suggestion: 'Write the file that is there into `function:`, without its ending.' })
        await relocate({ source, folder })
        return source
      }
      await folders.make({ call, folder, steps: plan.steps, finish })
      return { digest, type: 'directory', location: folder }
    },

    exists: ({ location }) => folders.exists(location),
    remove: ({ location }) => folders.remove(location),
  }
}

/** The handler belongs to it, since it decides the language; Node's major version and the machine, since packages may hold programs for both. */
function digestOf({ sourceDigest, args, facts }: BuildCall): string {
  const parts = ['function', recipe, sourceDigest, facts.handler, Object.entries(args).sort(), process.platform, process.arch, process.versions.modules]
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`
}
