import { PilotError } from '../errors/pilot-error.ts'
import { configurationChanges } from './configuration-diff.ts'
import { findConfiguration } from './configuration-history.ts'
import { currentSecrets } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { writeConfiguration, writeDeployment } from './deploy.ts'
import { newestConfiguration } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigureInput, ConfigureResult } from './phases.ts'
import type { ConfigurationRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { appTitle } from './scope.ts'
import { withApp, type AppSession } from './session.ts'
import { makeLive } from './stage.ts'
import { refuseBadVariable } from './variables.ts'

/**
 * `env set`, `env unset` and `env restore`: the next configuration, released at once without a build unless staged. Of a restored
 * version come the values; secrets are those of today, as with a rollback.
 */
export const configure = (context: LifecycleContext, { app, set, unset, restore, stage = false }: ConfigureInput): Promise<ConfigureResult> =>
  withApp(context, { app, action: 'env', staged: stage }, async (session) => {
    for (const [name, value] of Object.entries(set)) refuseBadVariable(name, value)
    const ledger = await session.ledger()
    const newest = newestConfiguration(ledger)
    const base = restore === undefined ? newest : findConfiguration(ledger, app, restore)
    const unknown = unset.filter((name) => !(name in (base?.set ?? {})))
    if (unknown.length > 0 && !isWrittenAlready(context, newest)) throw new PilotError('NOT_FOUND', `${unknown.join(', ')} of ${appTitle(app)} was not set with \`env set\``, { suggestion: 'See `env list` for where each value comes from.' })
    const values = { ...base?.set, ...set }
    for (const name of unset) delete values[name]
    const secrets = await currentSecrets(context.secrets, app)
    const hidden = Object.keys(set).filter((name) => name in secrets)
    if (hidden.length > 0) context.emit({ type: 'notice', app: app.app, level: 'warning', text: `${hidden.join(', ')} is a secret too, and secrets win: \`secret unset\` makes the variable count.` })
    if (base && restore !== undefined) reportOtherSecrets(session, { wanted: base, secrets })
    const next = { manifest: base?.manifest ?? {}, set: values, secrets }
    return applyConfiguration(session, await writeConfiguration(session, next, restore === undefined ? {} : { restoredFrom: restore }), stage)
  })

/** Releases a configuration at once, unless it waits for the next `up` or nothing runs that could have it. */
export async function applyConfiguration(session: AppSession, configuration: ConfigurationRecord, stage: boolean): Promise<ConfigureResult> {
  const current = liveDeployment(await session.state(), await session.ledger())
  if (stage || !current || current.configuration === configuration.version) return { configuration }
  if (current.target === 'static') {
    session.context.emit({ type: 'notice', app: session.app.app, level: 'info', text: 'A site knows its values from its build: the next `up` builds it with these.' })
    return { configuration }
  }
  await refuseWithoutArtifact(session, current)
  const { artifact, build, source, run, target } = current
  const deployment = await writeDeployment(session, { build: { id: build, artifact, source }, configuration: configuration.version, run, target, force: false })
  return { configuration, release: await makeLive(session, { deployment, kind: 'configuration' }) }
}

/** An earlier attempt of the same operation has written it: what it removed is gone by now. */
const isWrittenAlready = ({ resumesSince }: LifecycleContext, newest: ConfigurationRecord | undefined): boolean => resumesSince !== undefined && newest !== undefined && newest.at >= resumesSince

function reportOtherSecrets({ context, app }: AppSession, { wanted, secrets }: { wanted: ConfigurationRecord; secrets: ConfigurationRecord['secrets'] }): void {
  const names = configurationChanges({ ...nothing, secrets: wanted.secrets }, { ...nothing, secrets }).map(({ name }) => name)
  if (names.length > 0) context.emit({ type: 'notice', app: app.app, level: 'warning', text: `Secrets stay as they are today; ${names.join(', ')} changed since version ${wanted.version}.` })
}

const nothing = { manifest: {}, set: {}, secrets: {} }
