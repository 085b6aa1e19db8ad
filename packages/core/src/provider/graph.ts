import type { Input, Json } from './value.ts'

/** One node of a desired graph. A blueprint returns these; the engine compares them with what is recorded and what is live. */
export interface Resource {
  /** Unique in its scope and stable over time: `database`, `deployment/d7f3/container`. */
  readonly key: string
  /** The name of its {@link Kind}. */
  readonly kind: string
  readonly inputs: Readonly<Record<string, Json | Input<unknown>>>
  /** Keys it needs without referring to an output of theirs; references are dependencies by themselves. */
  readonly dependsOn?: readonly string[]
  /** Overrides the kind: replaced or deleted only after a typed confirmation. */
  readonly protect?: boolean
}

/** What a blueprint returns: resources, and named values that other blueprints take as inputs. */
export interface Blueprint {
  readonly resources: readonly Resource[]
  readonly outputs: Readonly<Record<string, Input<unknown>>>
}

export type Graph = readonly Resource[]

export const emptyBlueprint: Blueprint = { resources: [], outputs: {} }
