import { taskKey, volumeKeyPrefix, workersKeyPrefix } from '@pilot/core'

/** The keys of this provider's resources in an app's scope. States carry them: they are never renamed. */
export const keys = {
  network: 'network',
  user: 'user',
  database: 'database',
  databaseUser: 'database-user',
  databaseLink: 'database-link',
  queue: 'queue',
  queueData: 'queue-data',
  consumer: (deployment: string): string => `${workersKeyPrefix(deployment)}queue/consumer`,
  queueLink: (app: string): string => `queue-link/${app}`,
  link: (app: string): string => `link/${app}`,
  container: (deployment: string, instance: number): string => `deployment/${deployment}/container-${instance}`,
  function: (deployment: string): string => `deployment/${deployment}/function`,
  process: (deployment: string, instance: number): string => `deployment/${deployment}/process-${instance}`,
  worker: (deployment: string, process: string, instance: number): string => `${workersKeyPrefix(deployment)}${process}/${instance}`,
  task: taskKey,
  volume: (name: string): string => `${volumeKeyPrefix}${name}`,
  traffic: 'traffic',
  certificate: (domain: string): string => `certificate/${domain}`,
  edge: 'edge',
  postgres: 'postgres',
} as const

/** Whether a key is a worker's or a task's: services and containers of these stand beside those of the app itself. */
export const isWorkerKey = (key: string | undefined): boolean => key !== undefined && /^deployment\/[^/]+\/worker\//.test(key)
export const isTaskKey = (key: string | undefined): boolean => key !== undefined && /^deployment\/[^/]+\/task\//.test(key)
export const isCommandKey = (key: string | undefined): boolean => isWorkerKey(key) || isTaskKey(key)
export const isFunctionKey = (key: string | undefined): boolean => key !== undefined && /^deployment\/[^/]+\/function$/.test(key)
export const isQueueKey = (key: string | undefined): boolean => key === 'queue'
