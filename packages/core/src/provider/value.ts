/**
 * What an input of a resource may hold before it is applied: plain JSON, or a reference that the engine resolves.
 *
 * - A {@link Ref} points at an output of another resource of the graph; the plan shows it as unknown until that one exists.
 * - A {@link SecretRef} points at one version of a secret; it is resolved inside a handler call only. Journal, state, plan
 *   and events hold the reference (and a keyed hash for the diff), never the value.
 * - A {@link Template} joins text, refs and secrets to one string, such as a connection URL.
 *
 * All three are plain JSON, so that graphs, states and plans can be stored and sent as they are.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface Ref<T = unknown> {
  readonly $ref: { readonly key: string; readonly output: string }
  /** Type only: what the output holds. */
  readonly __type?: T
}

export interface SecretRef {
  readonly $secret: { readonly store: string; readonly name: string; readonly version: number }
}

export interface Template {
  readonly $template: readonly (string | Ref<string | number> | SecretRef)[]
}

/** `T` itself, or something that resolves to it; recursively, so a single field of an object may refer. */
export type Input<T> =
  | Ref<T>
  | (T extends string ? T | SecretRef | Template : T extends number | boolean | null | undefined ? T : T extends readonly (infer E)[] ? readonly Input<E>[] : T extends object ? { readonly [K in keyof T]: Input<T[K]> } : T)

export function ref<T = string>(key: string): { output(name: string): Ref<T> } {
  return { output: (output) => ({ $ref: { key, output } }) }
}

export function secretRef({ store, name, version }: { store: string; name: string; version: number }): SecretRef {
  return { $secret: { store, name, version } }
}

/** `template('postgres://', user, ':', password, '@', host)`; nested templates are flattened. */
export function template(...parts: readonly (string | number | Ref<string | number> | SecretRef | Template)[]): Template {
  return { $template: parts.flatMap((part) => (typeof part === 'number' ? [String(part)] : isTemplate(part) ? part.$template : [part])) }
}

export const isRef = (value: unknown): value is Ref => hasOnlyKey(value, '$ref')
export const isSecretRef = (value: unknown): value is SecretRef => hasOnlyKey(value, '$secret')
export const isTemplate = (value: unknown): value is Template => hasOnlyKey(value, '$template')

function hasOnlyKey(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value && Object.keys(value).length === 1
}
