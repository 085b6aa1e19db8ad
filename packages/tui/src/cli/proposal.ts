import type { Proposal } from '@pilot/core'
import type { CommandContext } from './context.ts'
import { cleanLine } from './text/clean.ts'

/** For folders without a manifest: read when there is none. */
export { proposeManifest, writeProposal } from '@pilot/core'

/** What was found, and the text that would be written. */
export function showProposal(context: CommandContext, { file, text, found, notes }: Proposal): void {
  const { err } = context.output
  for (const { app, detection } of found) context.say(`${err.accent(err.symbol.info)} ${err.strong(app)}: ${cleanLine(detection.reason)}`)
  for (const note of notes) context.say(`${err.accent(err.symbol.info)} ${cleanLine(note)}`)
  context.output.progress(err.dim(`${cleanLine(file)}:`))
  for (const line of text.trimEnd().split('\n')) context.output.progress(`  ${err.dim(err.symbol.bar)} ${cleanLine(line)}`)
}
