/**
 * Cuts SQL into its statements, as psql does: a semicolon ends one unless it stands in a string, a quoted name, a comment,
 * parentheses or the body of a `BEGIN ATOMIC … END` function. `rest` is what follows the last one.
 */
export function splitStatements(text: string): { readonly statements: readonly string[]; readonly rest: string } {
  const statements: string[] = []
  let start = 0
  let parentheses = 0
  let blocks = 0
  let words: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = endOfToken(text, at)
    const first = text[at]!
    if (first === '(') parentheses++
    else if (first === ')') parentheses = Math.max(0, parentheses - 1)
    else if (first === ';' && parentheses === 0 && blocks === 0) {
      statements.push(text.slice(start, end).trim())
      start = end
      words = []
    } else if (wordStart.test(first) && text[end - 1] !== "'") {
      const word = text.slice(at, end).toLowerCase()
      if (words.length < 5) words.push(word)
      if (isRoutine(words)) blocks += blockStep(word, blocks)
    }
    at = end
  }
  return { statements: statements.filter((statement) => statement !== ';'), rest: text.slice(start) }
}

/** The statement without the comments and spaces before it. */
export function withoutLeadingComments(statement: string): string {
  let at = 0
  while (at < statement.length && (/\s/.test(statement[at]!) || statement.startsWith('--', at) || statement.startsWith('/*', at))) at = endOfToken(statement, at)
  return statement.slice(at)
}

const wordStart = /[A-Za-z_\u0080-\uffff]/
const wordPart = /[A-Za-z0-9_$\u0080-\uffff]/

/** Only there can a body hold statements of its own: `end` and `case` mean something else in all others. */
const isRoutine = (words: readonly string[]): boolean => words[0] === 'create' && words.slice(1, 4).some((word) => word === 'function' || word === 'procedure')

const blockStep = (word: string, depth: number): number => (word === 'begin' ? 1 : word === 'case' && depth > 0 ? 1 : word === 'end' && depth > 0 ? -1 : 0)

/** Where what begins at `at` ends; an open string or comment ends with the text. */
function endOfToken(text: string, at: number): number {
  const char = text[at]!
  if (text.startsWith('--', at)) return afterFirst(text, '\n', at)
  if (text.startsWith('/*', at)) return endOfComment(text, at)
  if (char === "'") return endOfQuoted(text, { at: at + 1, quote: "'", escapes: false })
  if (char === '"') return endOfQuoted(text, { at: at + 1, quote: '"', escapes: false })
  if (char === '$') return endOfDollar(text, at)
  if (!wordStart.test(char)) return at + 1
  let end = at + 1
  while (end < text.length && wordPart.test(text[end]!)) end++
  return end === at + 1 && (char === 'e' || char === 'E') && text[end] === "'" ? endOfQuoted(text, { at: end + 1, quote: "'", escapes: true }) : end
}

const afterFirst = (text: string, wanted: string, from: number): number => {
  const found = text.indexOf(wanted, from)
  return found === -1 ? text.length : found + wanted.length
}

function endOfQuoted(text: string, { at, quote, escapes }: { at: number; quote: string; escapes: boolean }): number {
  for (let end = at; end < text.length; end++) {
    if (escapes && text[end] === '\\') end++
    else if (text[end] === quote && text[end + 1] === quote) end++
    else if (text[end] === quote) return end + 1
  }
  // The end mark is not there: nothing after it is a statement.
  return text.length
}

function endOfDollar(text: string, at: number): number {
  const tag = /^\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/.exec(text.slice(at, at + 70))?.[0]
  return tag === undefined ? at + 1 : afterFirst(text, tag, at + tag.length)
}

/** They nest. */
function endOfComment(text: string, at: number): number {
  let depth = 0
  for (let end = at; end < text.length; ) {
    if (text.startsWith('/*', end)) {
      depth++
      end += 2
    } else if (text.startsWith('*/', end)) {
      depth--
      end += 2
      if (depth === 0) return end
    } else end++
  }
  return text.length
}
