import type { BuildCall } from '@pilot/core'
import type { Engine } from '../engine/engine.ts'

/** What one of the two ways to build an image gets. */
export interface ImageBuild {
  readonly call: BuildCall
  readonly engine: Engine
  /** Relative to the source. */
  readonly dockerfile: string
  /** A tag of this build alone, removed afterwards. */
  readonly tag: string
  /** For messages: `shop/api`. */
  readonly title: string
}
