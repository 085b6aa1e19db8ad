import type { DeploymentRecord } from './records.ts'

/** The name of the app itself among its processes, as a Procfile has it; the manifest allows no other process of this name. */
export const appItself = 'web'

/** What a deployment consists of: its manifest first, what its artifact declares (a Procfile) where that says nothing. */
export interface Formation {
  /** Instances of the app itself, which listens; 0: it consists of workers. */
  readonly instances: number
  readonly workers: readonly { readonly process: string; readonly command: readonly string[]; readonly instances: number }[]
  /** Runs once before traffic moves. */
  readonly release?: readonly string[]
}

export function formationOf({ artifact, run }: Pick<DeploymentRecord, 'artifact' | 'run'>): Formation {
  const release = run.release ?? artifact.release
  const listensNowhere = artifact.processes !== undefined && artifact.command === undefined && run.command === undefined
  return {
    instances: listensNowhere ? 0 : scaled(run, appItself, run.instances),
    workers: Object.entries({ ...artifact.processes, ...run.processes }).map(([process, command]) => ({ process, command, instances: scaled(run, process, 1) })),
    ...(release === undefined ? {} : { release }),
  }
}

/** Whether anything of it could answer a request; else it has no address that would be worth printing. */
export const hasAddress = (deployment: Pick<DeploymentRecord, 'artifact' | 'run'>): boolean => {
  if (deployment.run.function?.http === false) return false
  const { instances, workers } = formationOf(deployment)
  return instances > 0 || workers.length === 0
}

/** How many of each process, by name. An app that consists of workers has no `web`. */
export function countsOf(deployment: Pick<DeploymentRecord, 'artifact' | 'run'>): Readonly<Record<string, number>> {
  const { instances, workers } = formationOf(deployment)
  return Object.fromEntries([...(instances > 0 ? [[appItself, instances] as const] : []), ...workers.map(({ process, instances }) => [process, instances] as const)])
}

const scaled = ({ scale = {} }: DeploymentRecord['run'], process: string, otherwise: number): number => (Object.hasOwn(scale, process) ? scale[process]! : otherwise)
