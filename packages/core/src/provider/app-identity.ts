/** How an app runs. */
export type Target = 'container' | 'process' | 'function' | 'static' | 'vm'

/** Where an app lives. The environment is part of the identity: production and preview share nothing. */
export interface AppIdentity {
  readonly project: string
  readonly app: string
  readonly environment: string
}
