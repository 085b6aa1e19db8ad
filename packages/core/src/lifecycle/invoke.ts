import { randomUUID } from 'node:crypto'
import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { InvokeResult } from '../provider/functions.ts'
import type { LifecycleContext } from './context.ts'
import type { DeploymentRecord } from './records.ts'
import { appTitle } from './scope.ts'

/** Calls a deployment of a function that runs with an event and waits for its result. Throws NOT_ALLOWED_NOW. */
export async function invokeDeployment({ provider, signal }: Pick<LifecycleContext, 'provider' | 'signal'>, { deployment: { app, id, target }, event }: { readonly deployment: Pick<DeploymentRecord, 'app' | 'id' | 'target'>; readonly event: string }): Promise<InvokeResult> {
  const compute = provider.compute[target]
  if (!compute?.invoke) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} is no function`, { reason: `It runs as ${target}.`, suggestion: 'Only what has `function:` in pilot.yaml is called with events.' })
  return compute.invoke({ app, deployment: id, event, signal })
}

/** As EventBridge gives a function what is due. */
export function scheduledEvent({ app, job, at }: { readonly app: AppIdentity; readonly job: string; readonly at: Date }): string {
  return JSON.stringify({
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '000000000000',
    time: `${at.toISOString().slice(0, 19)}Z`,
    region: 'local',
    resources: [`arn:pilot:events:local:0:rule/${app.project}-${app.app}-${job}`],
    detail: {},
  })
}
