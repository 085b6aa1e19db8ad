import { appScope, platformScope, type AppIdentity } from '@pilot/core'
import type { OperationInput } from '../contract/operations.ts'
import { needsOf, relationsOf, type Related } from './needs.ts'
import { orderApps } from './order.ts'

/** Raised when a payload changes incompatibly: a runner leaves jobs of a newer version to a newer runner. */
export const payloadVersion = 1

/** What one job does; its payload is plain JSON without any secret. */
export interface PlannedJob {
  readonly scope: string
  readonly app?: AppIdentity
  readonly payload: JobPayload
  /** Indexes of jobs of the same operation. */
  readonly after: readonly number[]
}

type Request<A extends OperationInput['action']> = Extract<OperationInput, { action: A }>
type WithApps = Request<'up' | 'build' | 'deploy'>
type OnApp = Request<'release' | 'rollback' | 'restart' | 'stop' | 'start' | 'scale' | 'configure' | 'secret' | 'backup' | 'restore' | 'delete-volume' | 'destroy-app'>

/** Whose request it is and where it goes stand in the job's row. */
type WithoutAddress<T> = T extends unknown ? Omit<T, 'requestId' | 'platform'> : never

export type JobPayload =
  | { readonly action: 'up'; readonly app: Request<'up'>['apps'][number]; readonly release: boolean; readonly canary?: Request<'up'>['canary']; readonly force: boolean }
  | { readonly action: 'build'; readonly app: Request<'build'>['apps'][number]; readonly force: boolean }
  | { readonly action: 'deploy'; readonly app: Request<'deploy'>['apps'][number] }
  | WithoutAddress<OnApp>
  | WithoutAddress<Request<'setup'>>
  | { readonly action: 'destroy-platform'; readonly deleteData: boolean }

/**
 * The jobs of an operation, in the order in which they are queued. `existing`: for the destroy of a project or a platform, its apps and
 * what each says of others. `deployed`: for what deploys, names of the project's apps that are there already. `domains`: what each of them has.
 */
export function planJobs(input: OperationInput, { existing = [], deployed = [], domains = {} }: { existing?: readonly (Related & { readonly app: AppIdentity })[]; deployed?: readonly string[]; domains?: Domains } = {}): readonly PlannedJob[] {
  switch (input.action) {
    case 'setup': {
      const { requestId: _, platform: __, ...payload } = input
      return [{ scope: platformScope, payload, after: [] }]
    }
    case 'destroy-platform': {
      const apps = destroyJobs(existing, input)
      return [...apps, { scope: platformScope, payload: { action: input.action, deleteData: input.deleteData }, after: apps.map((_, index) => index) }]
    }
    case 'destroy-project':
      return destroyJobs(existing, input)
    case 'up':
    case 'build':
    case 'deploy':
      return jobsPerApp(input, { deployed, domains })
    default: {
      const { requestId: _, platform: __, ...payload } = input
      return [{ scope: appScope(input.app), app: input.app, payload, after: [] }]
    }
  }
}

/** By app. */
type Domains = Readonly<Record<string, readonly string[]>>

function jobsPerApp(input: WithApps, { deployed, domains }: { readonly deployed: readonly string[]; readonly domains: Domains }): readonly PlannedJob[] {
  const definitions = input.apps.map(({ definition }) => definition)
  const needs = needsOf(definitions.map((definition) => relationsOf(definition.app.app, [definition])), { there: deployed })
  // A domain belongs to one app: who gives it up goes first.
  const givesUp = (name: string): readonly string[] => (domains[name] ?? []).filter((domain) => definitions.some((each) => each.app.app === name && !each.domains.includes(domain)))
  const ordered = orderApps(needs.map(({ name, needs: called }) => {
    const wanted = definitions.find((each) => each.app.app === name)!.domains
    const owners = definitions.map((each) => each.app.app).filter((owner) => owner !== name && givesUp(owner).some((domain) => wanted.includes(domain)))
    return { name, needs: [...new Set([...called, ...owners])] }
  }))
  return ordered.map(({ name, after }) => {
    const app = definitions.find((definition) => definition.app.app === name)!.app
    const indexes = after.map((needed) => ordered.findIndex((candidate) => candidate.name === needed))
    return { scope: appScope(app), app, payload: payloadFor(input, name), after: input.action === 'build' ? [] : indexes }
  })
}

function payloadFor(input: WithApps, name: string): JobPayload {
  switch (input.action) {
    case 'up':
      return { action: 'up', app: input.apps.find(({ definition }) => definition.app.app === name)!, release: input.release, ...(input.canary === undefined ? {} : { canary: input.canary }), force: input.force }
    case 'build':
      return { action: 'build', app: input.apps.find(({ definition }) => definition.app.app === name)!, force: input.force }
    case 'deploy':
      return { action: 'deploy', app: input.apps.find(({ definition }) => definition.app.app === name)! }
  }
}

/** Those who use others go first, and whose database is shared goes last. */
function destroyJobs(apps: readonly (Related & { readonly app: AppIdentity })[], { deleteData, hooks }: { readonly deleteData: boolean; readonly hooks: boolean }): readonly PlannedJob[] {
  const environments = Map.groupBy(apps, ({ app }) => `${app.project}/${app.environment}`)
  return [...environments.values()].reduce<PlannedJob[]>((jobs, group) => {
    const reversed = orderApps(needsOf(group, { there: [] })).toReversed()
    const offset = jobs.length
    const users = (name: string) => reversed.flatMap(({ after }, index) => (after.includes(name) ? [offset + index] : []))
    const planned = reversed.map(({ name }): PlannedJob => {
      const { app } = group.find((candidate) => candidate.name === name)!
      return { scope: appScope(app), app, payload: { action: 'destroy-app', app, deleteData, hooks }, after: users(name) }
    })
    return [...jobs, ...planned]
  }, [])
}
