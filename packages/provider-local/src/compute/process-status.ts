import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppIdentity, Compute, InstanceStatus } from '@pilot/core'
import { readJson, serviceStatus, type Home, type ServiceStatus } from '@pilot/host'
import { descendants } from '../health/listening.ts'
import type { StoredInstance } from '../kinds/process.ts'

/** Every instance of an app, by the marks of its services. */
export async function processesOf({ home, platformId }: { home: Home; platformId: string }, { project, app, environment }: AppIdentity): Promise<readonly StoredInstance[]> {
  const files = (await readdir(home.paths.services)).filter((file) => file.endsWith('.json'))
  const services = await Promise.all(files.map((file) => readJson<StoredInstance>(join(home.paths.services, file)).catch(() => undefined)))
  const scope = `app/${project}/${app}/${environment}`
  return services.filter((service): service is StoredInstance => service?.owner?.platformId === platformId && service.owner.scope === scope && service.deployment !== undefined)
}

export async function processStatus(platform: { home: Home; platformId: string }, { app }: Parameters<Compute['status']>[0]): Promise<readonly InstanceStatus[]> {
  const services = await processesOf(platform, app)
  return Promise.all(
    services.map(async ({ name, deployment, process }): Promise<InstanceStatus> => {
      const status = serviceStatus(platform.home, name)
      const usage = status?.state === 'running' && status.process ? await usageOf(status.process.pid) : {}
      const exitCode = status?.state === 'running' ? undefined : status?.lastExit?.code
      return {
        deployment,
        instance: name,
        ...(process === undefined ? {} : { process }),
        state: stateOf(status?.state),
        ...(typeof exitCode === 'number' ? { exitCode } : {}),
        ...(status ? { restarts: status.restarts, since: status.since } : {}),
        ...usage,
      }
    }),
  )
}

/** Of the process and all that it started; nothing where /proc is not. */
async function usageOf(pid: number): Promise<Pick<InstanceStatus, 'memoryBytes' | 'cpuMs'>> {
  const stats = await Promise.all((await descendants(pid)).map((each) => readFile(`/proc/${each}/stat`, 'utf8').catch(() => '')))
  // proc(5), counted from the state, since the name before it may hold anything: user and system time of the process and of its
  // children that have ended in 1/100 s, and resident pages.
  const fields = stats.filter((stat) => stat !== '').map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number))
  if (fields.length === 0) return {}
  const sum = (...indexes: readonly number[]): number => fields.flatMap((values) => indexes.map((index) => values[index] ?? 0)).reduce((a, b) => a + b, 0)
  return { memoryBytes: sum(21) * 4096, cpuMs: sum(11, 12, 13, 14) * 10 }
}

function stateOf(state: ServiceStatus['state'] | undefined): InstanceStatus['state'] {
  switch (state) {
    case 'running':
      return 'running'
    case 'starting':
      return 'starting'
    case 'waiting':
    case 'failed':
      return 'exited'
    default:
      return 'stopped'
  }
}
