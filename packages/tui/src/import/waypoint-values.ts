import type { Draft } from './draft.ts'
import type { HclAttribute, HclBody, HclValue } from './hcl.ts'

/** What is known of variables: their defaults. */
export interface WaypointScope {
  readonly draft: Draft
  readonly variables: ReadonlyMap<string, { readonly value: string | undefined; readonly isSensitive: boolean }>
}

/** A map of variables, from `config.env` or `static_environment`. */
export function environmentOf(scope: WaypointScope, { app, what, attribute }: { app: string; what: string; attribute: HclAttribute }): void {
  const { draft } = scope
  if (attribute.value.kind !== 'map') return draft.leftOut(what, 'It would have to be computed: write `env:` by hand.', attribute.line)
  for (const { key, value, line } of attribute.value.entries) {
    const text = textOf(scope, value)
    if (text !== undefined) {
      draft.variable(app, { name: key, value: text, what: `${what}.${key}`, line })
      continue
    }
    draft.secret(app, key)
    const why = value.kind === 'call' ? `It comes from ${value.name}(…)` : isSensitive(scope, value) ? 'It comes from a sensitive variable' : 'It would have to be computed'
    draft.leftOut(`${what}.${key}`, `${why}: its name stands in \`secrets:\`. Set it with \`secret set ${app} ${key}\`; when it is no secret, take it out there and use \`env set ${app} ${key}=…\`.`, line)
  }
}

/** The text of a value, with defaults of variables put in; undefined where it would have to be computed. */
export function textOf(scope: WaypointScope, value: HclValue): string | undefined {
  if (value.kind === 'literal') return value.value === null ? undefined : String(value.value)
  if (value.kind === 'template') {
    const parts = value.parts.map((part) => textOf(scope, part))
    return parts.includes(undefined) ? undefined : parts.join('')
  }
  const name = variableIn(value)
  const variable = name === undefined ? undefined : scope.variables.get(name)
  return variable?.isSensitive ? undefined : variable?.value
}

export function listOf(scope: WaypointScope, value: HclValue | undefined): readonly string[] | undefined {
  if (value?.kind !== 'list') return undefined
  const items = value.items.map((item) => textOf(scope, item))
  return items.includes(undefined) ? undefined : (items as string[])
}

const variableIn = (value: HclValue): string | undefined => (value.kind === 'expression' ? /^var\.([\w-]+)$/.exec(value.text)?.[1] : undefined)

const isSensitive = (scope: WaypointScope, value: HclValue): boolean =>
  value.kind === 'template' ? value.parts.some((part) => isSensitive(scope, part)) : scope.variables.get(variableIn(value) ?? '')?.isSensitive === true

export function variablesOf(root: HclBody): WaypointScope['variables'] {
  return new Map(
    root.blocks
      .filter(({ type }) => type === 'variable')
      .map(({ labels, body }) => {
        const value = body.attributes.get('default')?.value
        const sensitive = body.attributes.get('sensitive')?.value
        return [labels[0] ?? '', { value: value?.kind === 'literal' && value.value !== null ? String(value.value) : undefined, isSensitive: sensitive?.kind === 'literal' && sensitive.value === true }]
      }),
  )
}
