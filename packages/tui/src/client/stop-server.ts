import { tellUnitOfStop } from '../autostart/in-unit.ts'
import type { Connection } from './connect.ts'
import { homeFolder, serverService } from './home.ts'
import type { Environment } from '../cli/terminal.ts'

/** Stops the server and tells the supervisor not to start it again. Apps, databases and the edge run on. Resolves to whether it ran. */
export async function stopServer({ env, running, wait }: { env: Environment; running: Connection | undefined; wait: boolean }): Promise<boolean> {
  const { openHome, removeService, serviceStatus } = await import('@pilot/host')
  const home = await openHome(homeFolder(env))
  // With `wait` the server ends by itself once its jobs have; the supervisor must not bring it back in between.
  if (wait && running !== undefined) {
    await running.client.request('shutdown', { body: { wait: true } })
    while ((await running.client.request('info').catch(() => undefined)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const ran = running !== undefined || serviceStatus(home, serverService) !== undefined
  await removeService(home, serverService)
  return ran
}

/** Stops all services of the home and the supervisor. What should run stays written down: the next start brings it back. */
export async function stopEverything(env: Environment): Promise<void> {
  const { openHome, stopSupervisor } = await import('@pilot/host')
  await stopSupervisor(await openHome(homeFolder(env)), { services: 'stop' })
  await tellUnitOfStop(env)
}
