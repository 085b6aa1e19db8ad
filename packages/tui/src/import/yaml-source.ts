import { PilotError } from '@pilot/core/errors'
import { readYaml } from '@pilot/core'

/** A YAML file of another tool, with its lines. */
export interface YamlSource {
  readonly root: Record<string, unknown>
  /** From 1. */
  line(...path: readonly (string | number)[]): number
  /** A scalar as text, as it was written where YAML would make another one of it (`1.10`). */
  text(value: unknown, ...path: readonly (string | number)[]): string
}

/** Throws USAGE with line and column. */
export function readYamlSource({ text, file }: { text: string; file: string }): YamlSource {
  const document = readYaml(text)
  const [problem] = document.problems
  if (problem) throw new PilotError('USAGE', `${file}:${problem.line}:${problem.column}: ${problem.message}`, { suggestion: `Correct ${file}; nothing was written.` })
  if (!isMap(document.value)) throw new PilotError('USAGE', `${file} holds no keys.`, { suggestion: 'Check that it is the right file; nothing was written.' })
  return {
    root: document.value,
    line: (...path) => document.locate(path, 'key').line,
    text: (value, ...path) => (typeof value === 'string' ? value : (document.written(path) ?? plain(value))),
  }
}

export const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A scalar as text; anything else is none. */
export const plain = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : '')

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value])

/** A map, or a list of `KEY=VALUE`: pairs with the path of each; the value is undefined where there is none. */
export function pairsOf(value: unknown, separator = '='): readonly { readonly name: string; readonly value: unknown; readonly key: string | number }[] {
  if (isMap(value)) return Object.entries(value).map(([name, value]) => ({ name, value: value ?? undefined, key: name }))
  return listOf(value).map((item, key) => {
    const text = plain(item)
    const at = text.indexOf(separator)
    return at < 0 ? { name: text, value: undefined, key } : { name: text.slice(0, at), value: text.slice(at + separator.length), key }
  })
}
