/** What Pilot reads of a package.json. Other people wrote it: any value may be of any type. */
export interface PackageJson {
  readonly main?: unknown
  readonly scripts?: Readonly<Record<string, unknown>>
  readonly packageManager?: unknown
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly devDependencies?: Readonly<Record<string, unknown>>
}

/** Undefined when it is none. */
export function parsePackageJson(text: string | undefined): PackageJson | undefined {
  try {
    const value: unknown = JSON.parse((text ?? '').replace(/^\uFEFF/, ''))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The text of a script; undefined when there is none, or when it is empty. */
export function scriptOf({ scripts }: PackageJson, name: string): string | undefined {
  const script = scripts?.[name]
  return typeof script === 'string' && script.trim() !== '' ? script : undefined
}
