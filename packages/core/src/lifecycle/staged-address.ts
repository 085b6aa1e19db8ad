import { resolveValue, type Outputs } from '../graph/resolve.ts'
import type { DesiredDeployment } from './desired.ts'
import type { DeploymentRecord } from './records.ts'
import type { AppSession } from './session.ts'

export interface Deployed {
  readonly deployment: DeploymentRecord
  readonly desired: DesiredDeployment
  /** The same content has the traffic already. */
  readonly live: boolean
  /** Nothing of it is there yet: it takes over a volume from what is live, with its release. */
  readonly waits?: boolean
}

/** Where a deployment without traffic answers, for a look at it before it gets any; undefined where its target gives it no address of its own (a site). */
async function stagedAddress({ context, state }: AppSession, { desired }: Deployed): Promise<string | undefined> {
  const address = desired.deploymentOutputs['address']
  if (address === undefined) return undefined
  const outputs: Outputs = new Map(((await state())?.resources ?? []).filter(({ status }) => status === 'ready').map(({ key, outputs }) => [key, outputs]))
  return (await resolveValue<{ address: string }>({ address: address as string }, outputs, context.secrets)).address
}

/** Says that it waits for its release, and why nothing of it is to be seen before where that is so. */
export async function reportStaged(session: AppSession, deployed: Deployed): Promise<{ readonly address?: string }> {
  const { number } = deployed.deployment
  if (deployed.waits) {
    session.context.emit({ type: 'notice', app: session.app.app, level: 'info', text: `v${number} starts with its release (\`release v${number}\`): its volume takes one writer at a time, and what is live has it.` })
    return {}
  }
  const address = await stagedAddress(session, deployed)
  const found = address === undefined ? {} : { address }
  if (!deployed.live) session.context.emit({ type: 'app.staged', app: session.app.app, deployment: `v${number}`, ...found })
  return found
}
