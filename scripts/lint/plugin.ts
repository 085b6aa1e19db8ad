import path from 'node:path'
import { directions, isAllowed } from './directions.ts'

/** Rules of our own for oxlint, which loads this file (see .oxlintrc.json). */
export default {
  meta: { name: 'pilot' },
  rules: { 'import-direction': { create: importDirection } },
}

interface RuleContext {
  readonly filename: string
  report(problem: { node: unknown; message: string }): void
}

interface Specified {
  readonly source?: { readonly value?: unknown } | null
}

/** Imports point inwards, and from one package to another by name. */
function importDirection(context: RuleContext): Record<string, (node: Specified) => void> {
  const place = placeOf(context.filename)
  if (place === undefined) return {}

  const check = (node: Specified) => {
    const specifier = node.source?.value
    if (typeof specifier !== 'string') return
    const message = specifier.startsWith('.') ? relativeProblem(context.filename, place, specifier) : packageProblem(place, specifier)
    if (message !== undefined) context.report({ node, message })
  }
  return { ImportDeclaration: check, ImportExpression: check, ExportNamedDeclaration: check, ExportAllDeclaration: check, TSImportType: check }
}

interface Place {
  readonly folder: string
  /** The last `packages/` of the path, so that a fixture may draw the folders again. */
  readonly packages: string
  readonly isTest: boolean
}

function placeOf(filename: string): Place | undefined {
  const found = /^(?<packages>.*\/packages)\/(?<folder>[^/]+)\/src\/(?<inside>.*)$/.exec(filename)?.groups
  if (found === undefined) return undefined
  const inside = found['inside'] ?? ''
  return { packages: found['packages'] ?? '', folder: found['folder'] ?? '', isTest: /\.(test|fixture)\.tsx?$/.test(inside) || inside.startsWith('testing/') }
}

function relativeProblem(filename: string, { packages, folder, isTest }: Place, specifier: string): string | undefined {
  const target = path.resolve(path.dirname(filename), specifier)
  const home = path.join(packages, folder)
  if (target.startsWith(`${home}/src/`)) {
    const isTesting = target.startsWith(`${home}/src/testing/`)
    return isTesting && !isTest ? `${specifier} is for tests: what ships must not need it.` : undefined
  }
  if (!target.startsWith(`${packages}/`) || target === path.join(home, 'package.json')) return undefined
  return `${specifier} leaves @pilot/${folder}: import another package by its name.`
}

function packageProblem({ folder, isTest }: Place, specifier: string): string | undefined {
  if (!specifier.startsWith('@pilot/') || isAllowed({ from: folder, specifier, isTest })) return undefined
  const known = Object.keys(directions).join(', ')
  return `@pilot/${folder} must not import ${specifier}: imports point inwards (scripts/lint/directions.ts has rows for ${known}).`
}
