import { environmentSettings, loadProject, type Project } from '@pilot/core'

/** What addressing needs of a manifest. */
export interface ReadProject {
  readonly name: string
  readonly apps: readonly string[]
  /** Undefined where the manifest does not say. */
  platformOf(environment: string): string | undefined
  protectedOf(environment: string): boolean | undefined
  readonly project: Project
}

const read = new Map<string, Promise<ReadProject>>()

/** Reads the manifest of a folder; once per command. Throws MANIFEST_INVALID. */
export function readProject(folder: string): Promise<ReadProject> {
  const known = read.get(folder)
  if (known !== undefined) return known
  const reading = loadProject({ dir: folder }).then((project) => ({
    name: project.name,
    apps: project.apps.map(({ name }) => name),
    platformOf: (environment: string) => environmentSettings(project, environment).platform,
    protectedOf: (environment: string) => environmentSettings(project, environment).protected,
    project,
  }))
  read.set(folder, reading)
  return reading
}
