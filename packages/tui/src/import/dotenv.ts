import { parseEnv } from 'node:util'
import { PilotError } from '@pilot/core/errors'

export interface DotenvEntry {
  readonly name: string
  readonly value: string
  /** From 1. */
  readonly line: number
}

export interface DotenvFile {
  readonly entries: readonly DotenvEntry[]
  /** What was read otherwise than some would expect. */
  readonly notes: readonly string[]
}

/**
 * Variables of a dotenv file. Values are decoded by Node's own `parseEnv`, which reads on over what it does not understand;
 * so entries are found here, and handed to it one by one. Throws USAGE with every line that cannot be read, never with its text:
 * that may be a secret.
 */
export function readDotenv({ text, file }: { text: string; file: string }): DotenvFile {
  const problems: string[] = []
  const notes: string[] = []
  const entries: DotenvEntry[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    if (/^\s*(?:#|$)/.test(lines[at]!)) continue
    const [, name, start] = /^\s*(?:export\s+)?([^=]*?)\s*=\s*(.*)$/s.exec(lines[at]!) ?? []
    if (name === undefined || start === undefined) problems.push(`${file}:${line}: not of the form KEY=VALUE`)
    else if (!variableRule.test(name)) problems.push(`${file}:${line}: ${JSON.stringify(name)} cannot be the name of a variable`)
    else {
      const read = readValue([start, ...lines.slice(at + 1)])
      if ('problem' in read) {
        problems.push(`${file}:${line}: ${name} ${read.problem}`)
        continue
      }
      at += read.lines - 1
      const value = parseEnv(`${name}=${read.raw}`)[name] ?? ''
      const earlier = entries.find((entry) => entry.name === name)
      if (earlier && earlier.value !== value) problems.push(`${file}:${line}: ${name} stands on line ${earlier.line} already, with another value`)
      if (!read.raw.startsWith("'") && /\$\{\w+\}/.test(value)) notes.push(`${file}:${line}: ${name} refers to another variable; the text is taken as it is.`)
      if (!earlier) entries.push({ name, value, line })
    }
  }
  if (problems.length > 0) throw unreadable(file, problems)
  return { entries, notes }
}

const variableRule = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The text of one value, which in quotes may go on over several lines. */
function readValue(rest: readonly string[]): { readonly raw: string; readonly lines: number } | { readonly problem: string } {
  const first = rest[0]!
  const quote = /^["'`]/.exec(first)?.[0]
  if (quote === undefined) {
    const bare = first.slice(0, /(?:^|\s)#/.exec(first)?.index)
    if (first.startsWith('#') || bare.includes('#')) return { problem: 'has a # in its value: put the value in quotes, or a space before the comment' }
    return { raw: bare.trimEnd(), lines: 1 }
  }
  const all = rest.join('\n')
  const end = all.indexOf(quote, 1)
  if (end < 0) return { problem: `begins with ${quote} and has no ${quote} at its end` }
  const behind = all.slice(end + 1).split('\n', 1)[0]!
  if (!/^\s*(?:#.*)?$/.test(behind)) return { problem: `goes on after the closing ${quote}: use other quotes around a value that holds them` }
  const raw = all.slice(0, end + 1)
  return { raw, lines: raw.split('\n').length }
}

function unreadable(file: string, problems: readonly string[]): PilotError {
  const shown = problems.slice(0, 10)
  return new PilotError('USAGE', [...shown, ...(problems.length > shown.length ? [`… and ${problems.length - shown.length} more`] : [])].join('\n'), {
    suggestion: `Correct ${file}; nothing was changed.`,
    details: { file, problems },
  })
}
