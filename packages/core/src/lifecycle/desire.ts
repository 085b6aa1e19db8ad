import { randomBytes } from 'node:crypto'
import { PilotError } from '../errors/pilot-error.ts'
import type { SecretRef } from '../provider/value.ts'
import { desiredDeployment, type DesiredDeployment } from './desired.ts'
import type { ConfigurationRecord, DeploymentRecord } from './records.ts'
import { appTitle, databasePasswordName } from './scope.ts'
import type { AppSession } from './session.ts'

/** The graph of a deployment from its records, as it was deployed or as it is about to be. */
export async function desire(session: AppSession, deployment: DeploymentRecord): Promise<DesiredDeployment> {
  const configuration = await configurationOf(session, deployment)
  const databasePassword = deployment.run.database ? await ensureDatabasePassword(session) : undefined
  return desiredDeployment({ provider: session.context.provider, deployment, configuration, databasePassword })
}

/** Throws STATE_CORRUPT: without its record the deployment would run without its values and secrets. */
async function configurationOf({ ledger, app, scope }: AppSession, { configuration: wanted, number }: DeploymentRecord): Promise<ConfigurationRecord> {
  const found = (await ledger()).configurations.find(({ version }) => version === wanted)
  if (found) return found
  throw new PilotError('STATE_CORRUPT', `The configuration ${wanted} of ${appTitle(app)} is missing, and v${number} runs with it`, {
    reason: `The record of it is no longer in the store of ${scope.name}.`,
    suggestion: 'Restore the home from a backup, or deploy from source with `up`, which writes a new configuration; look at `env list` before.',
    details: { scope: scope.name, configuration: wanted },
  })
}

const ensureDatabasePassword = ({ context, app }: AppSession): Promise<SecretRef> =>
  context.secrets.ensure(databasePasswordName(app), () => randomBytes(24).toString('base64url'))
