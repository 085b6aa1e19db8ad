import { PilotError } from '@pilot/core/errors'
import type { Project } from '@pilot/core'
import type { CommandContext } from './context.ts'
import { resolveProject, type ProjectTarget } from './target.ts'

/** For what works on sources: the manifest must be here, its name on the server is not enough. */
export async function requireManifest(context: CommandContext): Promise<{ target: ProjectTarget; project: Project }> {
  const target = await resolveProject(context)
  if (target.folder === undefined) throw new PilotError('MANIFEST_MISSING', `The manifest of project ${target.project} is not in ${context.cwd} or above it.`, { suggestion: 'Go to its folder, or point at it with --dir.' })
  const { readProject } = await import('./load-project.ts')
  return { target, project: (await readProject(target.folder)).project }
}
