import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppIdentity, Compute, InstanceStatus } from '@pilot/core'
import { readJson, serviceStatus, type Home, type ServiceStatus } from '@pilot/host'
import { descendants } from '../health/listening.ts'
import type { StoredService } from '../kinds/process.ts'

/** Every instance of an app, by the marks of its services. */
export async function processesOf({ home, platformId }: { home: Home; platformId: string }, { project, app, environment }: AppIdentity): Promise<readonly StoredService[]> {
  const files = (await readdir(home.paths.services)).filter((file) => file.endsWith('.json'))
  const services = await Promise.all(files.map((file) => readJson<StoredService>(join(home.paths.services, file)).catch(() => undefined)))
  const scope = `app/${project}/${app}/${environment}`
  return services.filter((service): service is StoredService => service?.owner?.platformId === platformId && service.owner.scope === scope && service.deployment !== undefined)
}

export async function processStatus(platform: { home: Home; platformId: string }, { app }: Parameters<Compute['status']>[0]): Promise<readonly InstanceStatus[]> {
  const services = await processesOf(platform, app)
  return Promise.all(
    services.map(async ({ name, deployment }): Promise<InstanceStatus> => {
      const status = serviceStatus(platform.home, name)
      const memoryBytes = status?.state === 'running' && status.process ? await residentMemory(status.process.pid) : undefined
      const exitCode = status?.state === 'running' ? undefined : status?.lastExit?.code
      return {
        deployment,
        instance: name,
        state: stateOf(status?.state),
        ...(typeof exitCode === 'number' ? { exitCode } : {}),
        ...(status ? { restarts: status.restarts, since: status.since } : {}),
        ...(memoryBytes ? { memoryBytes } : {}),
      }
    }),
  )
}

/** Of the process and all that it started; undefined where /proc is not. */
async function residentMemory(pid: number): Promise<number | undefined> {
  const all = await Promise.all((await descendants(pid)).map((each) => readFile(`/proc/${each}/statm`, 'utf8').catch(() => '')))
  const pages = all.reduce((sum, text) => sum + Number(text.split(' ')[1] ?? 0), 0)
  return pages === 0 ? undefined : pages * 4096
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
