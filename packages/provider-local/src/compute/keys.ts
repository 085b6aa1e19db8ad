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

/** What stands behind a key, where resources of several kinds lie in one place: services, containers, routes. */
const roles = {
  process: /^deployment\/[^/]+\/process-\d+$/,
  container: /^deployment\/[^/]+\/container-\d+$/,
  function: /^deployment\/[^/]+\/function$/,
  worker: /^deployment\/[^/]+\/worker\//,
  task: /^deployment\/[^/]+\/task\//,
  queue: /^queue$/,
  traffic: /^traffic$/,
} as const

type Role = keyof typeof roles
export type ServiceRole = Extract<Role, 'process' | 'function' | 'worker' | 'task' | 'queue'>

/** What carries our mark and a key that nobody knows stays visible: `destroy` tells of it as one of these. */
const catchAll: readonly Role[] = ['process', 'container', 'traffic']

export const isOfRole = (key: string | undefined, role: Role): boolean => (key !== undefined && roles[role].test(key)) || (catchAll.includes(role) && !isKnown(key))

const isKnown = (key: string | undefined): boolean => key !== undefined && Object.values(roles).some((pattern) => pattern.test(key))
