import type { ArtifactReference } from '@pilot/core'

/** How a container starts. `bare`: the command is all of it, without the image's ENTRYPOINT. */
export interface Start {
  readonly command: string[]
  readonly bare?: true
}

/** A command as its artifact wants it started: see `ArtifactReference.launcher`. */
export function startOf({ launcher, command: own, processes = {}, release }: ArtifactReference, command: readonly string[]): Start {
  if (launcher === undefined) return { command: [...command] }
  const cameAlong = [own, release, ...Object.values(processes)].some((words) => words !== undefined && words.length === command.length && words.every((word, index) => word === command[index]))
  return { command: cameAlong ? [...command] : [...launcher, ...command], bare: true }
}

/** For the engine: an empty word takes the image's own away. */
export const entrypoint = ({ bare }: Pick<Start, 'bare'>): { Entrypoint?: string[] } => (bare ? { Entrypoint: [''] } : {})
