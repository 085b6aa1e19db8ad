import { commandTable } from './command-table.ts'
import type { Environment } from './terminal.ts'

/** How this user starts Pilot: `pilot`, or `npm start --` in a clone. Suggested commands are printed in this form. */
export function invokedAs(env: Environment): string {
  return env['PILOT_INVOKED_AS']?.trim() || 'pilot'
}

/**
 * An example as this user types it. npm writes two lines of its own to standard output: where a program reads that, `-s` keeps
 * them out.
 */
export function exampleInvocation(run: string, form: string): string {
  const read = /[|>]|\$\(|--json\b|--print\b/.test(run) ? form.replace(/ start --$/, ' start -s --') : form
  return run.includes('pilot ') ? run.replaceAll('pilot ', `${read} `) : `${read} ${run}`
}

/**
 * Rewrites the commands that stand in backticks in a text: "Run `secret set KEY`" becomes "Run `npm start -- secret set KEY`".
 * Only what begins with the name of a command of ours is touched; flags and other programs stay.
 */
export function withInvocation(text: string, form: string): string {
  return text.replace(/`([^`]+)`/g, (whole, inner: string) => {
    const [first, second, third] = inner.split(/\s+/)
    if (inner.includes('| pilot ')) return `\`${exampleInvocation(inner, form)}\``
    const isOurs = first === 'pilot' ? second === undefined || second.startsWith('-') || isCommand(second, third) : isCommand(first, second)
    return isOurs ? `\`${form} ${inner.replace(/^pilot(\s+|$)/, '')}`.trimEnd() + '`' : whole
  })
}

function isCommand(first: string | undefined, second: string | undefined): boolean {
  return commandTable.some(({ name }) => name === first || name === `${first} ${second}` || (name.startsWith(`${first} `) && second === undefined))
}
