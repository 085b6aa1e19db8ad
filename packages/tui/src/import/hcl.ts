import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { PilotError } from '@pilot/core/errors'
import type { Node } from 'web-tree-sitter'

/** A file in HCL 2: its attributes and blocks, with their lines. Expressions are not evaluated. */
export interface HclBody {
  readonly attributes: ReadonlyMap<string, HclAttribute>
  readonly blocks: readonly HclBlock[]
}

export interface HclAttribute {
  readonly value: HclValue
  /** From 1. */
  readonly line: number
}

export interface HclBlock {
  readonly type: string
  readonly labels: readonly string[]
  readonly body: HclBody
  readonly line: number
}

export type HclValue =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'list'; readonly items: readonly HclValue[] }
  | { readonly kind: 'map'; readonly entries: readonly { readonly key: string; readonly value: HclValue; readonly line: number }[] }
  /** `"a-${var.b}"` */
  | { readonly kind: 'template'; readonly parts: readonly HclValue[] }
  | { readonly kind: 'call'; readonly name: string; readonly text: string }
  /** `var.b`, and everything else that would have to be computed. */
  | { readonly kind: 'expression'; readonly text: string }

/** Throws USAGE with line and column. */
export async function readHcl({ text, file }: { text: string; file: string }): Promise<HclBody> {
  const parser = await hclParser()
  const tree = parser.parse(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'))
  try {
    const root = tree?.rootNode
    if (!root) throw new Error('The parser gave nothing.')
    if (root.hasError) throw unreadable(root, file)
    const body = root.namedChildren.find((child) => child?.type === 'body')
    return body ? bodyOf(body) : { attributes: new Map(), blocks: [] }
  } finally {
    tree?.delete()
    parser.delete()
  }
}

async function hclParser() {
  const { Language, Parser } = await import('web-tree-sitter')
  await Parser.init()
  const grammar = createRequire(import.meta.url).resolve('@tree-sitter-grammars/tree-sitter-hcl/tree-sitter-hcl.wasm')
  const language = await Language.load(await readFile(grammar))
  return new Parser().setLanguage(language)
}

function unreadable(root: Node, file: string): PilotError {
  const wrong = firstError(root) ?? root
  const { row, column } = wrong.startPosition
  return new PilotError('USAGE', `${file}:${row + 1}:${column + 1}: This is no HCL`, {
    reason: wrong.isMissing ? `${wrong.type.replaceAll('_', ' ')} is missing here.` : `It goes wrong at ${JSON.stringify(wrong.text.split('\n')[0]!.slice(0, 20))}.`,
    suggestion: `Correct ${file}; nothing was written.`,
  })
}

function firstError(node: Node): Node | undefined {
  if (node.isError || node.isMissing) return node
  for (const child of node.children) {
    const found = child?.hasError === true || child?.isMissing === true ? firstError(child) : undefined
    if (found) return found
  }
  return undefined
}

const named = (node: Node): Node[] => node.namedChildren.filter((child): child is Node => child !== null && child.type !== 'comment')
const lineOf = (node: Node): number => node.startPosition.row + 1

function bodyOf(node: Node): HclBody {
  const attributes = new Map<string, HclAttribute>()
  const blocks: HclBlock[] = []
  for (const child of named(node)) {
    const parts = named(child)
    if (child.type === 'attribute') attributes.set(parts[0]!.text, { value: valueOf(parts[1]!), line: lineOf(child) })
    else if (child.type === 'block') {
      const labels = parts.slice(1).filter(({ type }) => type === 'string_lit' || type === 'identifier').map((label) => (label.type === 'identifier' ? label.text : textOf(label)))
      const body = parts.find(({ type }) => type === 'body')
      blocks.push({ type: parts[0]!.text, labels, body: body ? bodyOf(body) : { attributes: new Map(), blocks: [] }, line: lineOf(child) })
    }
  }
  return { attributes, blocks }
}

function valueOf(node: Node): HclValue {
  const parts = named(node)
  const [only] = parts
  if (only === undefined || parts.length > 1) return leaf(node)
  switch (only.type) {
    case 'literal_value':
      return literalOf(named(only)[0] ?? only)
    case 'template_expr':
      return templateOf(named(only)[0]!)
    case 'collection_value':
      return collectionOf(named(only)[0]!)
    case 'function_call':
      return { kind: 'call', name: named(only)[0]!.text, text: only.text }
    default:
      return leaf(node)
  }
}

const leaf = (node: Node): HclValue => ({ kind: 'expression', text: node.text })

function literalOf(node: Node): HclValue {
  if (node.type === 'string_lit') return { kind: 'literal', value: textOf(node) }
  if (node.type === 'numeric_lit') return { kind: 'literal', value: Number(node.text) }
  if (node.type === 'bool_lit') return { kind: 'literal', value: node.text === 'true' }
  return node.type === 'null_lit' ? { kind: 'literal', value: null } : leaf(node)
}

function collectionOf(node: Node): HclValue {
  const parts = named(node)
  if (node.type === 'tuple') return { kind: 'list', items: parts.filter(({ type }) => type === 'expression').map(valueOf) }
  if (node.type !== 'object') return leaf(node)
  const entries = parts.filter(({ type }) => type === 'object_elem').map((element) => {
    const [key, value] = named(element)
    const name = valueOf(key!)
    return { key: name.kind === 'literal' ? String(name.value) : key!.text, value: valueOf(value!), line: lineOf(element) }
  })
  return { kind: 'map', entries }
}

/** Quoted, or a heredoc. */
function templateOf(node: Node): HclValue {
  if (node.type === 'heredoc_template') return heredocOf(node)
  const parts: HclValue[] = []
  let position = node.startIndex + 1
  // What stands between is taken as it is written: the grammar leaves out spaces beside an interpolation.
  const addText = (end: number): void => {
    const text = node.text.slice(position - node.startIndex, end - node.startIndex)
    if (text !== '') parts.push({ kind: 'literal', value: unescaped(text) })
  }
  for (const part of named(node).filter(({ type }) => type === 'template_interpolation' || type === 'template_directive')) {
    addText(part.startIndex)
    const expression = part.type === 'template_interpolation' ? named(part).find(({ type }) => type === 'expression') : undefined
    parts.push(expression ? valueOf(expression) : leaf(part))
    position = part.endIndex
  }
  addText(node.endIndex - 1)
  return { kind: 'template', parts }
}

/** Its lines, without their common indentation after `<<-`. The grammar leaves out the spaces at the beginning, so the text is taken as it stands. */
function heredocOf(node: Node): HclValue {
  if (named(node).some(({ type }) => type === 'template_interpolation' || type === 'template_directive')) return leaf(node)
  const lines = node.text.split('\n').slice(1, -1)
  const indent = node.text.startsWith('<<-') ? Math.min(...lines.filter((line) => line.trim() !== '').map((line) => /^[ \t]*/.exec(line)![0].length)) : 0
  return { kind: 'literal', value: lines.map((line) => `${line.slice(indent)}\n`.replaceAll(/([$%])\1\{/g, '$1{')).join('') }
}

const textOf = (node: Node): string => unescaped(node.text.slice(1, -1))

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }

const unescaped = (text: string): string =>
  text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|([$%])\4\{/g, (whole, short: string | undefined, long: string | undefined, one: string | undefined, mark: string | undefined) => {
    if (mark !== undefined) return `${mark}{`
    if (one !== undefined) return escapes[one] ?? whole
    const code = Number.parseInt((short ?? long)!, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
