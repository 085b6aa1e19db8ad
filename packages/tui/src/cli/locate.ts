import { closest } from './closest.ts'
import { commandFamilies, commandTable, type CommandRow } from './command-table.ts'
import { globalsWithValue } from './globals.ts'

/** What the typed words ask for, before any option is parsed. */
export type Located =
  | { readonly type: 'command'; readonly row: CommandRow; readonly rest: readonly string[] }
  | { readonly type: 'family'; readonly family: string; readonly help: boolean; readonly rest: readonly string[] }
  | { readonly type: 'root'; readonly help: boolean; readonly rest: readonly string[] }
  | { readonly type: 'version' }
  | { readonly type: 'unknown'; readonly word: string; readonly near?: string }

/** Finds the command among options that may stand before it: `pilot -C web env list --json`. */
export function locate(argv: readonly string[]): Located {
  const [first, second, third] = wordPositions(argv)
  const help = argv.some((token) => token === '--help' || token === '-h')
  if (first === undefined) return argv.some((token) => token === '--version' || token === '-V') ? { type: 'version' } : { type: 'root', help, rest: argv }

  const word = argv[first]!
  if (word === 'help' && second !== undefined) return locate([...argv.slice(first + 1), '--help'])
  const triple = third === undefined ? undefined : commandTable.find(({ name }) => name === `${word} ${argv[second!]!} ${argv[third]!}`)
  if (triple !== undefined) return { type: 'command', row: triple, rest: without(argv, first, second!, third!) }
  const pair = second === undefined ? undefined : commandTable.find(({ name }) => name === `${word} ${argv[second]!}`)
  if (pair !== undefined) return { type: 'command', row: pair, rest: without(argv, first, second!) }
  const single = commandTable.find(({ name }) => name === word)
  if (single !== undefined) return { type: 'command', row: single, rest: without(argv, first) }
  if (!commandFamilies.includes(word)) return { type: 'unknown', word, ...near(word, firstWords()) }

  if (second === undefined) return { type: 'family', family: word, help, rest: without(argv, first) }
  const name = `${word} ${argv[second]!}`
  return { type: 'unknown', word: name, ...near(name, commandTable.filter((candidate) => candidate.name.startsWith(`${word} `)).map((candidate) => candidate.name)) }
}

function wordPositions(argv: readonly string[]): number[] {
  const positions: number[] = []
  for (let index = 0; index < argv.length && positions.length < 3; index++) {
    const token = argv[index]!
    if (token === '--') break
    if (!token.startsWith('-')) positions.push(index)
    else if (globalsWithValue.has(token)) index++
  }
  return positions
}

const without = (argv: readonly string[], ...positions: number[]): string[] => argv.filter((_, index) => !positions.includes(index))

const firstWords = (): string[] => [...new Set(commandTable.map(({ name }) => name.split(' ')[0]!))]

function near(word: string, names: readonly string[]): { near?: string } {
  const found = closest(word, names)
  return found === undefined ? {} : { near: found }
}
