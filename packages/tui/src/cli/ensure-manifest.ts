import { relative } from 'node:path'
import { loadProject, PilotError, projectOf, type Project } from '@pilot/core'
import type { CommandContext } from './context.ts'
import { findProjectFolder } from './project.ts'

export interface ManifestWish {
  readonly folder: string
  /** The user named the folder: a manifest further up counts only if this folder is one of its sources. */
  readonly explicit: boolean
  readonly yes: boolean
  /** Only look: nothing is written. */
  readonly plan: boolean
  readonly database?: boolean
  readonly name?: string
}

/** The project of a folder; without a manifest one is proposed, shown, and written when the user agrees. */
export async function ensureManifest(context: CommandContext, { folder, explicit, yes, plan, database, name }: ManifestWish): Promise<Project> {
  const above = findProjectFolder(folder)
  if (above !== undefined) {
    const project = await loadProject({ dir: above })
    if (above === folder || !explicit || isSourceOf(project, folder)) return withoutWishes(project, { database, name })
  }
  const { proposeManifest, showProposal, writeProposal } = await import('./proposal.ts')
  const proposal = await proposeManifest({ dir: folder, ...(name === undefined ? {} : { name }), ...(database === undefined ? {} : { db: database }) })
  showProposal(context, proposal)
  if (plan) return projectOf({ text: proposal.text, file: proposal.file })
  const file = relative(context.cwd, proposal.file) || proposal.file
  if (!yes && !(await context.ask.confirm({ message: `Write ${file} and go on?`, flag: '--yes', initial: true }))) throw new PilotError('CANCELLED', 'Nothing was written.', { suggestion: '`init` writes the manifest alone, so that you can change it first.' })
  await writeProposal(proposal)
  context.say(`Wrote ${file}`)
  return await loadProject({ dir: folder })
}

const isSourceOf = (project: Project, folder: string): boolean => project.apps.some(({ source }) => source.type === 'directory' && (`${source.dir}/`.startsWith(`${folder}/`) || `${folder}/`.startsWith(`${source.dir}/`)))

function withoutWishes(project: Project, { database, name }: Pick<ManifestWish, 'database' | 'name'>): Project {
  const given = database !== undefined ? (database ? '--db' : '--no-db') : name !== undefined ? '--name' : undefined
  if (given === undefined) return project
  throw new PilotError('USAGE', `${given} is for a folder without a manifest; ${project.file} is there.`, { suggestion: name === undefined ? 'Write `database: postgres` at the app in it.' : 'Change `project:` in it.' })
}
