import type { CommandTarget } from './target.ts'
import type { ValueKind } from './position.ts'
import { commandTable } from '../command-table.ts'
import type { Environment } from '../terminal.ts'

/** A completion that is waited for is worse than none. */
const deadlineMs = 700

/** The values of one kind, from the manifest of the folder and from the server, if it runs and answers in time. Starts nothing, throws nothing. */
export async function knownValues(kind: ValueKind, { env, target }: { env: Environment; target: CommandTarget }): Promise<readonly string[]> {
  if (kind === 'command') return commandTable.map(({ name }) => name.split(' ')[0]!)
  const project = await readManifest(target)
  if (kind === 'app' && project && target.project === undefined) return project.apps
  const written = kind === 'environment' ? (project?.environments ?? ['production']) : []
  const late = AbortSignal.timeout(deadlineMs)
  const known = await askServer({ kind, env, target, project, signal: late }).catch(() => [])
  return [...written, ...known]
}

interface Question {
  readonly kind: ValueKind
  readonly env: Environment
  readonly target: CommandTarget
  readonly project: Written | undefined
  readonly signal: AbortSignal
}

async function askServer({ kind, env, target, project, signal }: Question): Promise<readonly string[]> {
  const { connectIfRunning } = await import('../../client/connect.ts')
  const running = await connectIfRunning(env, signal)
  if (!running) return []
  try {
    const name = target.project ?? project?.name
    switch (kind) {
      case 'platform':
        return (await running.client.request('platforms', { signal })).platforms.map((platform) => platform.name)
      case 'job':
        return (await running.client.request('jobs', { query: { limit: 20 }, signal })).jobs.map(({ operation }) => operation)
      case 'deployment': {
        const { environment = 'production', app = project?.apps.length === 1 ? project.apps[0] : undefined } = target
        if (name === undefined || app === undefined) return []
        return (await running.client.request('deployments', { params: { project: name, environment, app }, query: {}, signal })).deployments.map(({ number }) => `v${number}`)
      }
      default: {
        const query = kind === 'project' || name === undefined ? {} : { project: name }
        const { apps } = await running.client.request('status', { query, signal })
        return apps.map(({ status }) => status.app[kind as 'app' | 'project' | 'environment'])
      }
    }
  } finally {
    running.client.close()
  }
}

interface Written {
  readonly name: string
  readonly apps: readonly string[]
  readonly environments: readonly string[]
}

async function readManifest({ dir }: CommandTarget): Promise<Written | undefined> {
  try {
    const { readProject } = await import('../load-project.ts')
    const { name, apps, project } = await readProject(dir)
    return { name, apps, environments: ['production', ...Object.keys(project.manifest.environments ?? {})] }
  } catch {
    // There is none, or it is being written at this moment.
    return undefined
  }
}
