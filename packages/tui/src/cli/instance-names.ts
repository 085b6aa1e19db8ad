import type { LogLine } from '@pilot/core'
import type { Client } from '@pilot/server/client'
import type { AppTarget } from './target.ts'

type Place = Pick<LogLine, 'deployment' | 'instance' | 'process'>

/** Short names for the instances of an app, as people say them: `v5/0`, and `v5/worker/0` of a process beside it. What the provider calls them, `status --json` has. */
export interface InstanceNames {
  /** Whether several write into the log, as far as is known by now. */
  readonly several: boolean
  nameOf(place: Place): Promise<string>
}

/** When the server does not tell what runs, instances are counted as they appear. */
export async function instanceNames(client: Client, { params, query }: AppTarget, signal: AbortSignal): Promise<InstanceNames> {
  const numbers = new Map<string, number>()
  const asked = new Set<string>()
  /** Of each deployment and process its instances, by place. */
  const known = new Map<string, string[]>()
  const readNumbers = async () => {
    const found = await client.request('deployments', { params, query, signal }).catch(() => undefined)
    for (const { id, number } of found?.deployments ?? []) numbers.set(id, number)
  }
  const note = ({ deployment, process, instance }: Place): number => {
    const group = [deployment, process].join('/')
    const instances = known.get(group) ?? []
    known.set(group, instances)
    return instances.includes(instance) ? instances.indexOf(instance) : instances.push(instance) - 1
  }
  const [app] = await Promise.all([client.request('app', { params, query, signal }).catch(() => undefined), readNumbers()])
  // Sorted, so that an instance has the same name in every call.
  for (const place of (app?.status.instances ?? []).toSorted((a, b) => (a.instance < b.instance ? -1 : 1))) note(place)

  return {
    get several() {
      return [...known.values()].flat().length > 1
    },
    async nameOf(place) {
      const at = note(place)
      // Deployed while the log is followed; asked once, since what is unknown then stays so.
      if (!numbers.has(place.deployment) && !asked.has(place.deployment)) await readNumbers()
      asked.add(place.deployment)
      const number = numbers.get(place.deployment)
      return `${number === undefined ? place.deployment : `v${number}`}/${place.process === undefined ? '' : `${place.process}/`}${at}`
    },
  }
}
