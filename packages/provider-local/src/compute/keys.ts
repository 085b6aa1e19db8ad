/** The keys of this provider's resources in an app's scope. States carry them: they are never renamed. */
export const keys = {
  network: 'network',
  user: 'user',
  database: 'database',
  databaseUser: 'database-user',
  databaseLink: 'database-link',
  link: (app: string): string => `link/${app}`,
  container: (deployment: string, instance: number): string => `deployment/${deployment}/container-${instance}`,
  process: (deployment: string, instance: number): string => `deployment/${deployment}/process-${instance}`,
  traffic: 'traffic',
  edge: 'edge',
  postgres: 'postgres',
} as const
