import type { AppIdentity } from '../provider/app-identity.ts'
import type { ScopeName } from '../store/store.ts'

export const platformScope: ScopeName = 'platform'

export const appScope = ({ project, app, environment }: AppIdentity): ScopeName => `app/${project}/${app}/${environment}`

/** The app that a scope belongs to; undefined for the platform's. */
export function appOfScope(scope: ScopeName): AppIdentity | undefined {
  const [type, project, app, environment] = scope.split('/')
  return type === 'app' && project && app && environment ? { project, app, environment } : undefined
}

/** Where the user's secrets of an app live; each is given to the app under its last part. */
export const secretPrefix = (app: AppIdentity): string => `${appScope(app)}/`

/** Where the secrets live that Pilot makes for an app. */
export const generatedSecretPrefix = (app: AppIdentity): string => `generated/${appScope(app)}/`

export const databasePasswordName = (app: AppIdentity): string => `${generatedSecretPrefix(app)}database-password`

/** `api.shop` in production, `api.preview-42.shop` elsewhere: what host names are made of. */
export const hostLabel = ({ project, app, environment }: AppIdentity): string =>
  environment === 'production' ? `${app}.${project}` : `${app}.${environment}.${project}`

/** `shop` in production, `preview-42.shop` elsewhere: the host of all apps of a project that have a `route`. */
export const sharedHostLabel = ({ project, environment }: AppIdentity): string => (environment === 'production' ? project : `${environment}.${project}`)

/** For people: `shop/api`, with the environment when it is not production. */
export const appTitle = ({ project, app, environment }: AppIdentity): string =>
  environment === 'production' ? `${project}/${app}` : `${project}/${app} (${environment})`

/** `mailer` → `MAILER_URL`, `auth-api` → `AUTH_API_URL`. */
export const linkVariable = (app: string): string => `${app.toUpperCase().replaceAll('-', '_')}_URL`

/** `data` → `VOLUME_DATA`. */
export const volumeVariable = (volume: string): string => `VOLUME_${volume.toUpperCase().replaceAll('-', '_')}`

/** The key of a volume; its name is the rest. */
export const volumeKeyPrefix = 'volume/'

/** Where it sends messages: `invoices` → `INVOICES_QUEUE_URL`. */
export const queueVariable = (app: string): string => `${app.toUpperCase().replaceAll('-', '_')}_QUEUE_URL`

/** The keys of every deployment's resources begin with this. */
export const deploymentsKeyPrefix = 'deployment/'

/** The keys of a deployment's workers begin with this: they start and stop apart from what has traffic. */
export const workersKeyPrefix = (deployment: string): string => `${deploymentKeyPrefix(deployment)}worker/`

/** The key of a command that runs once for a deployment. */
export const taskKey = (deployment: string, task: string): string => `${deploymentKeyPrefix(deployment)}task/${task}`

/** The keys of one deployment's resources begin with this; every compute keeps to it. */
export const deploymentKeyPrefix = (deployment: string): string => `${deploymentsKeyPrefix}${deployment}/`
