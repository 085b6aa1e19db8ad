/** An option as help, reference and parser read it. */
export interface OptionDefinition {
  /** In commander's form: `-n, --lines <count>`. */
  readonly flags: string
  readonly summary: string
  /** May be given several times: the value is a list. */
  readonly repeats?: boolean
  readonly choices?: readonly string[]
}
