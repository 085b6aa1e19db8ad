import { isPilotError, PilotError, toPilotError } from '../errors/pilot-error.ts'
import type { HookPhase } from '../provider/hooks.ts'
import type { AppDefinition, PackedSource } from './app-definition.ts'
import type { LifecycleContext } from './context.ts'
import { liveDeployment, urlsOf } from './live.ts'
import type { DeploymentRecord, ReleaseRecord, RunSpec, SourceRecord } from './records.ts'
import { appTitle } from './scope.ts'
import { throwIfCancelled, type AppSession } from './session.ts'

/**
 * Commands of the manifest around the phases. One that fails before a phase keeps it from beginning; one that fails after it is a
 * warning, since what is done is done. Each runs at most once per attempt of its phase. docs/hooks.md.
 */

/** Of what a version brings: as with the release command, `restart`, `start` and `scale` bring nothing new. */
export const bringsNew = (kind: ReleaseRecord['kind']): boolean => kind === 'release' || kind === 'configuration'

/** Longer than any notification, shorter than anybody's patience. */
const timeoutMs = 10 * 60_000

interface About {
  readonly hooks: RunSpec['hooks']
  readonly source: SourceRecord
  readonly version?: number
}

const aboutDeployment = ({ run: { hooks }, source, number }: DeploymentRecord): About => ({ hooks, source, version: number })

export const beforePhase = (session: AppSession, phase: HookPhase, deployment: DeploymentRecord): Promise<void> => before(session, phase, aboutDeployment(deployment))
export const afterPhase = (session: AppSession, phase: HookPhase, deployment: DeploymentRecord): Promise<void> => after(session, phase, aboutDeployment(deployment))

/** The hooks of a build, whose source came with the request. */
export async function aroundBuild<T>(session: AppSession, { app, source }: { readonly app: AppDefinition; readonly source: PackedSource }, work: () => Promise<T>): Promise<T> {
  const about = { hooks: app.hooks, source: source.record }
  await before(session, 'build', about)
  const result = await work()
  await after(session, 'build', about)
  return result
}

/** Before anything else is done: hooks are code of the source that runs here. */
export function refuseHooks({ provider }: Pick<LifecycleContext, 'provider'>, { app, hooks, trusted }: AppDefinition): void {
  if (!hooks || Object.keys(hooks).length === 0) return
  if (!provider.hooks) throw new PilotError('USAGE', `${appTitle(app)} has hooks, and this platform runs none`, { suggestion: 'Remove `hooks:` from it.' })
  if (!trusted) throw new PilotError('TRUST_NEEDED', `${appTitle(app)} comes from elsewhere, and its hooks would run on this machine, without isolation`)
}

/** With the source of this request at hand, whatever else is kept. */
export const withSource = (context: LifecycleContext, source: PackedSource): LifecycleContext => ({ ...context, openSource: async (record) => (record.digest === source.record.digest ? source : await context.openSource?.(record)) })

async function before(session: AppSession, phase: HookPhase, about: About): Promise<void> {
  try {
    await run(session, 'before', phase, about)
  } catch (error) {
    if (phase !== 'destroy' || !isPilotError(error) || error.code !== 'HOOK_FAILED') throw error
    const { code, message, reason, details } = error
    // The hook is that of the version, so a change of the manifest alone changes nothing.
    throw new PilotError(code, message, { ...(reason === undefined ? {} : { reason }), ...(details === undefined ? {} : { details }), suggestion: `Mend what it waits for, or leave the hooks out: \`destroy ${session.app.app} --no-hooks\`.`, cause: error })
  }
}

async function after(session: AppSession, phase: HookPhase, about: About): Promise<void> {
  try {
    await run(session, 'after', phase, about)
  } catch (error) {
    const { code, message, reason } = toPilotError(error)
    if (code === 'CANCELLED') throw error
    session.context.emit({ type: 'notice', app: session.app.app, level: 'warning', text: `${message}${reason === undefined ? '' : `: ${reason}`}. What it ran after stands.` })
  }
}

async function run(session: AppSession, when: 'before' | 'after', phase: HookPhase, { hooks, source, version }: About): Promise<void> {
  const hook = `${when}-${phase}` as const
  const command = hooks?.[hook]
  const { context, app } = session
  if (!command || !context.provider.hooks) return
  throwIfCancelled(context.signal)
  const packed = await context.openSource?.(source).catch(() => undefined)
  if (!packed) {
    context.emit({ type: 'notice', app: app.app, level: 'warning', text: `The hook ${hook} was not run: the source${version === undefined ? '' : ` of v${version}`} is no longer kept here.` })
    return
  }
  const live = liveDeployment(await session.state(), await session.ledger())
  const { url } = live ? urlsOf(await session.state(), live) : {}
  context.log(`hook ${hook}: ${command.join(' ')}`)
  try {
    await context.provider.hooks.run({
      app,
      hook,
      command,
      env: {
        PILOT_HOOK: hook,
        PILOT_PHASE: phase,
        PILOT_PROJECT: app.project,
        PILOT_APP: app.app,
        PILOT_ENVIRONMENT: app.environment,
        PILOT_PLATFORM: context.platform.name,
        PILOT_BY: context.by,
        ...(version === undefined ? {} : { PILOT_VERSION: `v${version}` }),
        ...(live === undefined || live.number === version ? {} : { PILOT_LIVE_VERSION: `v${live.number}` }),
        ...(source.commit === undefined ? {} : { PILOT_COMMIT: source.commit }),
        ...(url === undefined ? {} : { PILOT_URL: url }),
      },
      openSource: () => packed.open(),
      timeoutMs,
      signal: context.signal,
      log: context.log,
    })
  } catch (error) {
    throwIfCancelled(context.signal)
    throw isPilotError(error) ? error : new PilotError('HOOK_FAILED', `The hook ${hook} of ${appTitle(app)} failed`, { reason: toPilotError(error).message, cause: error })
  }
}
