import type { DeploymentRecord } from './records.ts'

/** Kamal's proxy and the load balancers of the clouds wait as long. */
const defaultDrainMs = 30_000

/** How long what is open may go on when a version has to end: as the manifest of the one that comes, or stays, says. */
export const drainMsOf = ({ run }: Pick<DeploymentRecord, 'run'>): number => run.drainMs ?? defaultDrainMs
