/**
 * What the function host of a deployment is told, as JSON in its environment. This folder is copied to where the user of an app can
 * read it, and runs from there with nothing but Node: its files import each other and Node's own modules.
 */
export interface FunctionConfig {
  /** `api` of `shop/api`, and which deployment of it. */
  readonly name: string
  readonly deployment: string
  readonly port: number
  /** The artifact. */
  readonly folder: string
  /** `src/index.handler`. */
  readonly handler: string
  /** What starts a worker. */
  readonly worker: readonly string[]
  readonly timeoutMs: number
  readonly atOnce: number
  readonly memoryBytes: number
  readonly http: boolean
  /** Of the app, when it has one: `batch` messages at once at most, `retries` after the first attempt. */
  readonly queue?: { readonly port: number; readonly token: string; readonly batch: number; readonly retries: number }
  /** Whoever shows it may ask for the state, and call with any event. */
  readonly token: string
  /** A worker without work ends after so long. */
  readonly idleMs: number
  /** How long loading the handler may take. */
  readonly initMs: number
}

export const configVariable = 'PILOT_FUNCTION'

/** Removes it from the environment, since workers inherit that. */
export function takeConfig(env: NodeJS.ProcessEnv): FunctionConfig {
  const config = JSON.parse(env[configVariable] ?? '{}') as FunctionConfig
  delete env[configVariable]
  return config
}
