/** Which licences what we build on may have, and what the licence of a package is. */
import type { Locked } from './lockfile.ts'

/** SPDX identifiers. All of them allow what we do (use, bundle, pass on) against naming the authors. */
export const allowed: readonly string[] = ['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT', 'MIT-0', 'PostgreSQL', 'Python-2.0', 'Unlicense', 'Zlib']

/** By name or `@scope/*` or `name-*`: another licence that is fine where the package is used, and why. */
export const exceptions: Readonly<Record<string, { readonly licence: string; readonly only: 'development' | 'anywhere'; readonly reason: string }>> = {
  'lightningcss': { licence: 'MPL-2.0', only: 'development', reason: 'part of Vitest; runs unchanged in tests, and no package of ours contains it' },
  'lightningcss-*': { licence: 'MPL-2.0', only: 'development', reason: 'the machine code of lightningcss' },
}

/** Packages of which the lockfile does not know it, or knows that of our stand-in. A test compares with what is installed. */
const known: Readonly<Record<string, string>> = { 'buildcheck': 'MIT', 'cpu-features': 'MIT', 'ssh2': 'MIT', '@electric-sql/pglite': 'Apache-2.0' }

/** The licence of a package as an SPDX expression, from the lockfile. */
export function licenceOf(name: string, { license, version }: Locked): string {
  const found = known[name] ?? license
  if (found === undefined || found === '') throw new Error(`${name} ${version} does not say its licence: package-lock.json has none, and neither has scripts/supply-chain/licences.ts.`)
  return found.replace(/^\((.*)\)$/, '$1')
}

/** What an installed package says itself; some still say it in the form of npm before 2014. */
export function saidBy(manifest: { readonly license?: string; readonly licenses?: readonly { readonly type: string }[] }): string | undefined {
  return (manifest.license ?? manifest.licenses?.map(({ type }) => type).join(' OR '))?.replace(/^\((.*)\)$/, '$1')
}

/** Why a licence is not fine, or nothing. Of several to choose from, one is enough. */
export function objection({ name, licence, isDevelopment }: { name: string; licence: string; isDevelopment: boolean }): string | undefined {
  const fine = licence.split(' AND ').every((part) => part.replace(/[()]/g, '').split(' OR ').some((id) => allowed.includes(id)))
  if (fine) return undefined
  const exception = Object.entries(exceptions).find(([pattern]) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))?.[1]
  if (exception?.licence === licence && (isDevelopment || exception.only === 'anywhere')) return undefined
  return `${name} has the licence ${licence}${exception === undefined ? '' : `, which is an exception for ${exception.only} only`}`
}
