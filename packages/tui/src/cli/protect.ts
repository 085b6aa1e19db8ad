import { PilotError } from '@pilot/core/errors'
import type { CommandContext } from './context.ts'
import type { ProjectTarget } from './target.ts'

/**
 * In a protected environment a release, a rollback, a change of configuration and a destroy name the environment and want it
 * typed, or `--yes`. By default production is protected on a cloud, nothing on this machine. Resolves to whether it was asked.
 */
export async function confirmProtected(context: CommandContext, { project, yes, what }: { project: ProjectTarget; yes: boolean; what: string }): Promise<boolean> {
  if (yes || !(await isProtected(context, project))) return false
  const agreed = await context.ask.typed({ message: `${project.environment} of ${project.project} is protected: ${what} changes what people use.`, expected: project.environment, flag: '--yes' })
  if (!agreed) throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
  return true
}

async function isProtected(context: CommandContext, { folder, environment, platform }: ProjectTarget): Promise<boolean> {
  if (folder !== undefined) {
    const { readProject } = await import('./load-project.ts')
    const written = (await readProject(folder)).protectedOf(environment)
    if (written !== undefined) return written
  }
  if (environment !== 'production') return false
  const { platforms } = await (await context.client()).request('platforms', { signal: context.signal })
  const home = platforms.find(({ name }) => name === platform) ?? (platforms.length === 1 ? platforms[0] : undefined)
  return home !== undefined && home.provider !== 'local'
}
