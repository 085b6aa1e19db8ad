import { readFile } from 'node:fs/promises'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

/** An entry of package-lock.json, as far as it is read here. */
export interface Locked {
  readonly name?: string
  readonly version?: string
  readonly integrity?: string
  readonly license?: string
  readonly link?: boolean
  /** Of a link: the folder in the workspace. */
  readonly resolved?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** By the place of a package: `node_modules/pg`, `node_modules/a/node_modules/b`, `packages/core`. */
export type Lockfile = Readonly<Record<string, Locked>>

export async function readLockfile(): Promise<Lockfile> {
  return (JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as { packages: Lockfile }).packages
}

/** What is installed from elsewhere: neither our own packages nor links to them. */
export function thirdParties(lockfile: Lockfile): readonly (readonly [place: string, locked: Locked])[] {
  return Object.entries(lockfile).filter(([place, { link }]) => place.includes('node_modules/') && link !== true)
}

/** Name of the package at a place; an alias has its own in the lockfile. */
export function nameAt(place: string, lockfile: Lockfile): string {
  return lockfile[place]?.name ?? place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Where Node finds a package that another one asks for: in its own node_modules, else further up. Links lead to the workspace. */
export function placeOf(name: string, { from, lockfile }: { from: string; lockfile: Lockfile }): string | undefined {
  for (let folder = from; ; folder = folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) : '') {
    const place = path.posix.join(folder, 'node_modules', name)
    const found = lockfile[place]
    if (found !== undefined) return found.link === true ? found.resolved : place
    if (folder === '') return undefined
  }
}
