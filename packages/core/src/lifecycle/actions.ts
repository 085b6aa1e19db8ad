import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { AppState } from './records.ts'
import { appTitle } from './scope.ts'

/** What can be done with an app. The phases keep to it (`withApp`); commands, the API and the screens ask `allowedActions`. */
export type AppAction = 'up' | 'build' | 'deploy' | 'release' | 'rollback' | 'restart' | 'stop' | 'start' | 'scale' | 'env' | 'secret' | 'logs' | 'open' | 'backup' | 'restore' | 'volumes' | 'destroy'

const always: readonly AppState[] = ['absent', 'staged', 'live', 'stopped', 'unhealthy', 'destroyed']
const known: readonly AppState[] = ['staged', 'live', 'stopped', 'unhealthy']
const running: readonly AppState[] = ['live', 'unhealthy']

/** A canary is decided before anything else is released: two versions are compared, and a third one would blur it. */
const decideFirst = 'A canary is on: `release` gives it all of the traffic, `rollback` ends it.'

/** Which state each action needs, and what to say when it is another one; with `canary`: not while a canary is on. */
export const actionTable: Readonly<Record<AppAction, { readonly states: readonly AppState[]; readonly otherwise: string; readonly canary?: string }>> = {
  up: { states: always, otherwise: '', canary: decideFirst },
  build: { states: always, otherwise: '' },
  deploy: { states: always, otherwise: '' },
  release: { states: known, otherwise: 'It has no deployment: deploy it with `up`.' },
  rollback: { states: ['live', 'unhealthy', 'stopped'], otherwise: 'It has no release to go back to: deploy it with `up`.' },
  restart: { states: running, otherwise: 'It does not run: start it with `start`, or deploy it with `up`.', canary: decideFirst },
  stop: { states: running, otherwise: 'It does not run.' },
  start: { states: ['stopped'], otherwise: 'Only what was stopped is started; `restart` starts afresh what runs, and `up` deploys it.' },
  scale: { states: running, otherwise: 'It does not run: start it with `start`, or deploy it with `up`.', canary: decideFirst },
  env: { states: always, otherwise: '', canary: decideFirst },
  secret: { states: always, otherwise: '', canary: decideFirst },
  logs: { states: known, otherwise: 'It is not deployed.' },
  open: { states: running, otherwise: 'It does not run.' },
  backup: { states: [...known, 'destroyed'], otherwise: 'It was never deployed, so it has no database.' },
  restore: { states: [...known, 'destroyed'], otherwise: 'It was never deployed, so it has no database.' },
  volumes: { states: always, otherwise: '' },
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
export function allowedActions({ state, busy, canary = false }: { readonly state: AppState; readonly busy?: string; /** Whether one is on. */ readonly canary?: boolean }): readonly ActionVerdict[] {
  return (Object.keys(actionTable) as AppAction[]).map((action) => {
    const reason = reasonAgainst({ action, state, canary })
    if (reason !== undefined) return { action, allowed: false, reason }
    if (busy !== undefined && !readOnly.has(action)) return { action, allowed: false, reason: `Held by ${busy}.` }
    return { action, allowed: true }
  })
}

/** Throws NOT_ALLOWED_NOW with the table's reason. */
export function refuseUnlessAllowed({ app, action, state, canary = false }: { readonly app: AppIdentity; readonly action: AppAction; readonly state: AppState; readonly canary?: boolean }): void {
  const reason = reasonAgainst({ action, state, canary })
  if (reason !== undefined) throw new PilotError('NOT_ALLOWED_NOW', `${action} of ${appTitle(app)} is not possible now`, { reason })
}

function reasonAgainst({ action, state, canary }: { action: AppAction; state: AppState; canary: boolean }): string | undefined {
  const { states, otherwise, canary: whileOn } = actionTable[action]
  return states.includes(state) ? (canary ? whileOn : undefined) : otherwise
}

const readOnly: ReadonlySet<AppAction> = new Set(['logs', 'open'])
