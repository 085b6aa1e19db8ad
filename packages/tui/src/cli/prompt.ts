import { PilotError } from '@pilot/core/errors'
import { canAsk, type Terminal } from './terminal.ts'
import { cleanLine } from './text/clean.ts'

/** Questions. Without a terminal none waits: ANSWER_NEEDED names the flag that answers. */
export interface Asker {
  confirm(question: { message: string; flag: string; initial?: boolean }): Promise<boolean>
  select<T extends string>(question: { message: string; options: readonly { value: T; hint?: string }[]; flag: string }): Promise<T>
  /** Shows no character of what is typed, only that something is. */
  secret(question: { message: string; flag: string }): Promise<string>
  /** For what cannot be undone: the name must be typed. Resolves to whether it was. */
  typed(question: { message: string; expected: string; flag: string }): Promise<boolean>
}

export function createAsker(terminal: Terminal): Asker {
  const streams = { input: terminal.stdin, output: terminal.stderr }
  const clack = async (message: string, flag: string) => {
    if (!canAsk(terminal)) throw answerNeeded(message, flag)
    return await import('@clack/prompts')
  }
  /** A terminal that goes away answers nothing: without this the program would end in the middle of the question, with no word of it. */
  const untilEnd = async <T>(answer: Promise<T>): Promise<Exclude<T, symbol>> => {
    const end = Promise.withResolvers<symbol>()
    const onEnd = (): void => end.resolve(Symbol('end of input'))
    terminal.stdin.once('end', onEnd)
    try {
      return answered(await Promise.race([answer, end.promise])) as Exclude<T, symbol>
    } finally {
      terminal.stdin.off('end', onEnd)
    }
  }
  return {
    async confirm({ message, flag, initial = false }) {
      const { confirm } = await clack(message, flag)
      return untilEnd(confirm({ message: cleanLine(message), initialValue: initial, ...streams }))
    },
    async select({ message, options, flag }) {
      const { select } = await clack(`${message} (${options.map(({ value }) => value).join(', ')})`, flag)
      const shown = options.map(({ value, hint }) => ({ value: value as string, label: cleanLine(value), ...(hint === undefined ? {} : { hint: cleanLine(hint) }) }))
      return (await untilEnd(select<string>({ message: cleanLine(message), options: shown, ...streams }))) as never
    },
    async secret({ message, flag }) {
      const { password } = await clack(message, flag)
      return untilEnd(password({ message: cleanLine(message), mask: '•', ...streams }))
    },
    async typed({ message, expected, flag }) {
      const { text } = await clack(message, flag)
      const given = await untilEnd(text({ message: `${cleanLine(message)} Type ${cleanLine(expected)} to go on, or nothing to leave it.`, ...streams }))
      return (given ?? '').trim() === expected
    },
  }
}

function answerNeeded(message: string, flag: string): PilotError {
  return new PilotError('ANSWER_NEEDED', `An answer is needed and there is no terminal to ask in: ${cleanLine(message)}`, { suggestion: `Pass \`${flag}\`.` })
}

/** Ctrl-C, Esc and the end of the input in a question leave the command. */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === 'symbol') throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
  return answer as Exclude<T, symbol>
}
