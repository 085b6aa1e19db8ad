import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { AppState } from './records.ts'
import { appTitle } from './scope.ts'

/** What can be done with an app. The phases keep to it (`withApp`); commands, the API and the screens ask `allowedActions`. */
export type AppAction = 'up' | 'build' | 'deploy' | 'release' | 'rollback' | 'restart' | 'stop' | 'start' | 'scale' | 'env' | 'secret' | 'logs' | 'open' | 'backup' | 'restore' | 'destroy'

const always: readonly AppState[] = ['absent', 'staged', 'live', 'stopped', 'unhealthy', 'destroyed']
const known: readonly AppState[] = ['staged', 'live', 'stopped', 'unhealthy']
const running: readonly AppState[] = ['live', 'unhealthy']

/** Which state each action needs, and what to say when it is another one. */
export const actionTable: Readonly<Record<AppAction, { readonly states: readonly AppState[]; readonly otherwise: string }>> = {
  up: { states: always, otherwise: '' },
  build: { states: always, otherwise: '' },
  deploy: { states: always, otherwise: '' },
  release: { states: known, otherwise: 'It has no deployment: deploy it with `up`.' },
  rollback: { states: ['live', 'unhealthy', 'stopped'], otherwise: 'It has no release to go back to: deploy it with `up`.' },
  restart: { states: running, otherwise: 'It does not run: start it with `start`, or deploy it with `up`.' },
  stop: { states: running, otherwise: 'It does not run.' },
  start: { states: ['stopped'], otherwise: 'Only what was stopped is started; `restart` starts afresh what runs, and `up` deploys it.' },
  scale: { states: running, otherwise: 'It does not run: start it with `start`, or deploy it with `up`.' },
  env: { states: always, otherwise: '' },
  secret: { states: always, otherwise: '' },
  logs: { states: known, otherwise: 'It is not deployed.' },
  open: { states: running, otherwise: 'It does not run.' },
  backup: { states: [...known, 'destroyed'], otherwise: 'It was never deployed, so it has no database.' },
  restore: { states: [...known, 'destroyed'], otherwise: 'It was never deployed, so it has no database.' },
  // Also what was never deployed may have left records, builds and secrets.
  destroy: { states: always, otherwise: '' },
}

export interface ActionVerdict {
  readonly action: AppAction
  readonly allowed: boolean
  /** Why not. */
  readonly reason?: string
}

/** `busy`: the title of the operation that holds the app; only what changes nothing is allowed then. */
export function allowedActions({ state, busy }: { readonly state: AppState; readonly busy?: string }): readonly ActionVerdict[] {
  return (Object.keys(actionTable) as AppAction[]).map((action) => {
    const { states, otherwise } = actionTable[action]
    if (!states.includes(state)) return { action, allowed: false, reason: otherwise }
    if (busy !== undefined && !readOnly.has(action)) return { action, allowed: false, reason: `Held by ${busy}.` }
    return { action, allowed: true }
  })
}

/** Throws NOT_ALLOWED_NOW with the table's reason. */
export function refuseUnlessAllowed({ app, action, state }: { readonly app: AppIdentity; readonly action: AppAction; readonly state: AppState }): void {
  const { states, otherwise } = actionTable[action]
  if (!states.includes(state)) throw new PilotError('NOT_ALLOWED_NOW', `${action} of ${appTitle(app)} is not possible now`, { reason: otherwise })
}

const readOnly: ReadonlySet<AppAction> = new Set(['logs', 'open'])
