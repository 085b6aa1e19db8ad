/** One thing that is wrong in a manifest, and where. */
export interface Problem {
  readonly path: readonly (string | number)[]
  /** From 1. */
  readonly line: number
  readonly column: number
  readonly message: string
}
