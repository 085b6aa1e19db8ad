import { createHash } from 'node:crypto'
import { lstat, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotError, type BuildCall, type Builder } from '@pilot/core'
import { siteFilesFolder, writeSiteIndex, type Home } from '@pilot/host'
import { artifactFolders } from './artifact-folders.ts'
import { planSite, type SitePlan } from './site-plan.ts'
import type { Workplace } from './workplace.ts'

/** Raised when the same source would be built to something else. */
const recipe = 1

/** What a folder of plain files holds beside the site. */
const notServed = ['pilot.yaml', 'node_modules', 'package.json', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'Dockerfile']

/** Builds a site, or takes its files as they are. The artifact is a folder with an index, which the edge serves. */
export function siteBuilder({ home, platformId }: { home: Home; platformId: string }): Builder {
  const folders = artifactFolders({ home, platformId })
  return {
    name: 'static',
    target: 'static',
    runsHere: true,
    recipe,

    fits: (facts) => {
      const plan = planSite(facts)
      return plan && { reason: plan.reason }
    },

    async build(call) {
      const title = `${call.app.project}/${call.app.app}`
      const plan = planSite(call.facts)
      if (!plan) throw new PilotError('NOTHING_DETECTED', `${title} is no site`)
      const digest = digestOf(call, plan)
      const folder = folders.folderOf(call.app, digest)
      await folders.make({ call, folder, steps: plan.steps, finish: (place) => assemble(place, { plan, title }) })
      return { digest, type: 'directory', location: folder }
    },

    exists: ({ location }) => folders.exists(location),
    remove: ({ location }) => folders.remove(location),
  }
}

/** The finished files, their compressed forms and the index, in a folder of their own beside the source. */
async function assemble({ dir, source }: Workplace, { plan: { output, steps }, title }: { plan: SitePlan; title: string }): Promise<string> {
  await assertFolder(source, { output, title, wasBuilt: steps.length > 0 })
  const site = join(dir, 'site')
  await mkdir(site, { mode: 0o755 })
  const files = join(site, siteFilesFolder)
  await rename(join(source, output), files)
  if (output === '.') for (const name of notServed) await rm(join(files, name), { recursive: true, force: true })
  const index = await writeSiteIndex(site)
  if (Object.keys(index.files).length === 0) throw noSite(title, `${output === '.' ? 'The source' : output} holds no files.`)
  return site
}

/** Each part of the way must be a folder: a link could lead anywhere. */
async function assertFolder(source: string, { output, title, wasBuilt }: { output: string; title: string; wasBuilt: boolean }): Promise<void> {
  let path = source
  for (const part of output.split('/').filter((name) => name !== '.')) {
    path = join(path, part)
    const found = part === '..' ? undefined : await lstat(path).catch(() => undefined)
    if (!found?.isDirectory()) throw noSite(title, `There is no folder ${output}${wasBuilt ? ' after the build' : ''}.`)
  }
}

const noSite = (title: string, reason: string): PilotError =>
  new PilotError('BUILD_FAILED', `The build of ${title} left no site`, { reason, suggestion: 'Write where its files are into pilot.yaml: `static: { output: FOLDER }`.' })

function digestOf({ sourceDigest, args, facts }: BuildCall, { output, steps }: SitePlan): string {
  const parts = ['site', recipe, sourceDigest, Object.entries(args).sort(), facts.static ?? null, output, steps.map(({ command }) => command), steps.length > 0 ? [process.platform, process.arch, process.versions.modules] : null]
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`
}
