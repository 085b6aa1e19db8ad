import { Composer, isAlias, isMap, isScalar, isSeq, LineCounter, Parser, type CST, type Document, type Node, type Pair, YAMLParseError } from 'yaml'
import type { Problem } from './problem.ts'

export type Path = readonly (string | number)[]
export interface Position {
  readonly line: number
  readonly column: number
}

export interface YamlDocument {
  /** Plain JSON; undefined when there are problems. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** Where the value of a path stands, or its key; the nearest parent that exists otherwise. */
  locate(path: Path, part?: 'key' | 'value'): Position
  /** A scalar as it was written (`1.10`, where the value would be 1.1). */
  written(path: Path): string | undefined
}

/** The parser is quadratic in places: a hostile text of this size takes about a second. */
export const maxManifestBytes = 256 * 1024
const maxDepth = 40
const maxNodes = 20_000
const maxErrors = 20

/**
 * YAML 1.2 with merge keys, with limits: size, depth, number of nodes, and the expansion of aliases. Nothing that a text
 * holds makes this throw, run long or take much memory.
 */
export function readYaml(text: string): YamlDocument {
  const counter = new LineCounter()
  const fail = (message: string, position: Position = { line: 1, column: 1 }): YamlDocument => ({ value: undefined, problems: [{ path: [], ...position, message }], locate: () => position, written: () => undefined })
  if (Buffer.byteLength(text) > maxManifestBytes) return fail(`The file is larger than ${maxManifestBytes / 1024} KB`)
  const nested = deepestLine(text)
  if (nested !== undefined) return fail(`Nested deeper than ${maxDepth} levels`, nested)

  let document: Document.Parsed
  try {
    document = parseOne(text, counter)
  } catch (error) {
    return fail(`Cannot be read as YAML: ${(error as Error).message}`)
  }
  const at = (offset: number | undefined): Position => {
    const { line, col } = counter.linePos(offset ?? 0)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const problems: Problem[] = document.errors.slice(0, maxErrors).map((error) => ({ path: [], ...at(error.pos[0]), message: yamlMessage(error.code, error.message) }))
  if (problems.length === 0) problems.push(...structureProblems(document.contents, at))

  let value: unknown
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: 100 })
      const message = expansionProblem(value)
      if (message) problems.push({ path: [], line: 1, column: 1, message })
    } catch (error) {
      problems.push({ path: [], line: 1, column: 1, message: /alias/i.test((error as Error).message) ? 'Aliases expand to too much' : `Cannot be read as YAML: ${(error as Error).message}` })
    }
  }
  return {
    value: problems.length === 0 ? value : undefined,
    problems,
    locate: (path, part = 'value') => {
      for (let length = path.length; length > 0; length--) {
        const found = findPair(document, path.slice(0, length))
        const offset = found && (part === 'key' || length < path.length ? (found.key ?? found.value) : (found.value ?? found.key))?.range?.[0]
        if (offset !== undefined) return at(offset)
      }
      return at(document.contents?.range?.[0])
    },
    written: (path) => {
      const node = findPair(document, path)?.value
      return isScalar(node) && typeof node.source === 'string' ? node.source : undefined
    },
  }
}

/** What the library's parseDocument does, but it gives up early: a text of nothing but errors takes it a minute. */
function parseOne(text: string, counter: LineCounter): Document.Parsed {
  // Duplicate keys are looked for below: the library's own check is quadratic.
  const composer = new Composer({ merge: true, uniqueKeys: false })
  const tokens = fewErrors(new Parser(counter.addNewLine).parse(text))
  const [first, second] = composer.compose(tokens, true, text.length)
  if (second) first?.errors.push(new YAMLParseError(second.range.slice(0, 2) as [number, number], 'MULTIPLE_DOCS', ''))
  return first as Document.Parsed
}

function* fewErrors(tokens: Iterable<CST.Token>): Generator<CST.Token> {
  let errors = 0
  for (const token of tokens) {
    if (token.type === 'error' && ++errors > maxErrors) return
    yield token
  }
}

/** Too many nodes, and keys that stand twice. */
function structureProblems(root: Node | null, at: (offset: number | undefined) => Position): Problem[] {
  const problems: Problem[] = []
  const waiting: { node: unknown; path: (string | number)[] }[] = [{ node: root, path: [] }]
  for (let count = 0, next = waiting.pop(); next; next = waiting.pop()) {
    if (++count > maxNodes) return [{ path: [], line: 1, column: 1, message: `More than ${maxNodes} values` }]
    const { node, path } = next
    if (isMap(node)) {
      const seen = new Map<string, Position>()
      for (const pair of node.items) {
        if (++count > maxNodes) break
        const key = isScalar(pair.key) ? String(pair.key.value) : undefined
        const position = at((pair.key as Node | null)?.range?.[0])
        if (key === undefined) {
          problems.push({ path, ...position, message: 'A key must be a plain word' })
          continue
        }
        const first = key === '<<' ? undefined : seen.get(key)
        if (first) problems.push({ path: [...path, key], ...position, message: `\`${key}\` stands twice (first in line ${first.line})` })
        else if (key === '__proto__') problems.push({ path: [...path, key], ...position, message: '`__proto__` cannot be a key' })
        seen.set(key, position)
        waiting.push({ node: pair.value, path: [...path, key] })
      }
    } else if (isSeq(node)) {
      node.items.forEach((item, index) => waiting.push({ node: item, path: [...path, index] }))
    }
  }
  return problems.slice(0, 50)
}

/** What aliases can still make of few nodes: a value that contains itself, or very many. */
function expansionProblem(root: unknown): string | undefined {
  let count = 0
  const visit = (value: unknown, depth: number): string | undefined => {
    if (depth > maxDepth) return `Nested deeper than ${maxDepth} levels`
    if (++count > maxNodes) return 'Aliases expand to too much'
    if (typeof value !== 'object' || value === null) return undefined
    for (const child of Object.values(value)) {
      const message = visit(child, depth + 1)
      if (message) return message
    }
    return undefined
  }
  return visit(root, 0)
}

/** The pair at a path, through aliases and merge keys. */
function findPair(document: Document.Parsed, path: Path): { key?: Node | null; value?: Node | null } | undefined {
  let pair: { key?: Node | null; value?: Node | null } | undefined = { value: document.contents }
  for (const part of path) {
    const node = resolve(document, pair?.value)
    if (isMap(node)) pair = childOf(document, node.items as Pair<Node, Node>[], String(part), 0)
    else if (isSeq(node) && typeof part === 'number') pair = node.items[part] === undefined ? undefined : { value: node.items[part] as Node }
    else return undefined
    if (!pair) return undefined
  }
  return pair
}

function childOf(document: Document.Parsed, items: readonly Pair<Node, Node>[], name: string, depth: number): { key?: Node | null; value?: Node | null } | undefined {
  const own = items.find((item) => isScalar(item.key) && String(item.key.value) === name)
  if (own || depth > 10) return own
  for (const item of items) {
    if (!isScalar(item.key) || item.key.value !== '<<') continue
    const merged = resolve(document, item.value)
    const maps = isSeq(merged) ? merged.items.map((one) => resolve(document, one as Node)) : [merged]
    for (const map of maps) {
      const found = isMap(map) ? childOf(document, map.items as Pair<Node, Node>[], name, depth + 1) : undefined
      if (found) return found
    }
  }
  return undefined
}

function resolve(document: Document.Parsed, node: Node | null | undefined): Node | null | undefined {
  return isAlias(node) ? node.resolve(document) : node
}

/** The parser recurses per level, so depth is bounded before it runs: by brackets, by indentation, and by `- - -` in one line. */
function deepestLine(text: string): Position | undefined {
  let open = 0
  let line = 1
  let column = 0
  let indent = 0
  let dashes = 0
  let atStart = true
  for (const character of text) {
    column++
    if (character === '\n') {
      line++
      column = indent = dashes = 0
      atStart = true
      continue
    }
    if (atStart && character === ' ') indent++
    else if (atStart && (character === '-' || character === '?' || character === ':')) dashes++
    else if (character !== ' ' && character !== '\t') atStart = false
    if (character === '[' || character === '{') open++
    else if ((character === ']' || character === '}') && open > 0) open--
    if (open > maxDepth || dashes > maxDepth || (atStart && indent > 20 * maxDepth)) return { line, column }
  }
  return undefined
}

function yamlMessage(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'Indentation must be spaces, not tabs'
  if (code === 'MULTIPLE_DOCS') return 'There is more than one document: `---` must not stand between'
  const [first = message] = message.split('\n')
  return (first.length > 160 ? `${first.slice(0, 160)}…` : first).replace(/\.$/, '')
}
