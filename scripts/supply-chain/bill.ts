/**
 * The bill of materials of a package, in CycloneDX: what is inside its programs (esbuild says which files it read), and what npm installs
 * beside it. Made from the lockfile alone, so that the same sources give the same bytes.
 */
import { createHash } from 'node:crypto'
import { licenceOf } from './licences.ts'
import { nameAt, placeOf, type Locked, type Lockfile } from './lockfile.ts'

export interface Component {
  readonly 'bom-ref': string
  readonly type: 'library'
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly scope: 'required' | 'optional'
  readonly licenses: readonly ({ readonly license: { readonly id: string } } | { readonly expression: string })[]
  readonly hashes?: readonly { readonly alg: 'SHA-512'; readonly content: string }[]
  readonly properties: readonly { readonly name: 'pilot:delivery'; readonly value: 'bundled' | 'installed' | 'bundled and installed' }[]
}

export interface Bill {
  readonly $schema: string
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: '1.6'
  readonly serialNumber: string
  readonly version: 1
  readonly metadata: { readonly lifecycles: readonly { readonly phase: 'build' }[]; readonly component: Pick<Component, 'bom-ref' | 'name' | 'version' | 'purl' | 'licenses'> & { readonly type: 'library' } }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

/** `inputs`: the files that the bundles of the package in `folder` are made of, relative to the workspace. */
export function billOf({ folder, inputs, lockfile }: { folder: string; inputs: readonly string[]; lockfile: Lockfile }): Bill {
  const edges = dependenciesFrom(folder, lockfile)
  // The same version may lie in several places: it is one component, bundled if one of them is.
  const delivery = new Map<string, { place: string; isBundled: boolean; isInstalled: boolean }>()
  const mark = (place: string, how: { isBundled: true } | { isInstalled: true }): void => {
    const ref = refAt(place, lockfile)
    if (place !== folder) delivery.set(ref, { place, isBundled: false, isInstalled: false, ...delivery.get(ref), ...how })
  }
  for (const place of edges.keys()) mark(place, { isInstalled: true })
  for (const file of inputs) for (const place of placesOf(file)) mark(place, { isBundled: true })
  const components = [...delivery.values()].map(({ place, ...how }) => componentAt(place, { ...how, lockfile }))
  const { type, name, version, purl, licenses, 'bom-ref': ref } = componentAt(folder, { isBundled: true, isInstalled: false, lockfile })
  const dependencies = [...edges].map(([place, to]) => ({ ref: refAt(place, lockfile), dependsOn: unique(to.map((each) => refAt(each, lockfile))) }))
  const content = {
    metadata: { lifecycles: [{ phase: 'build' as const }], component: { type, 'bom-ref': ref, name, version, purl, licenses } },
    components: components.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)),
    dependencies: dependencies.filter(({ ref }, index) => dependencies.findIndex((other) => other.ref === ref) === index).toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
  }
  return { $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json', bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}`, version: 1, ...content }
}

/** Everything that is installed with a package: for each place, the places that it asks for. What is optional and not in the lockfile is left out. */
function dependenciesFrom(start: string, lockfile: Lockfile): Map<string, readonly string[]> {
  const edges = new Map<string, readonly string[]>()
  const waiting = [start]
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    if (edges.has(from)) continue
    const to = wantedBy(lockfile[from] ?? {}).flatMap((name) => placeOf(name, { from: from!, lockfile }) ?? [])
    edges.set(from, to)
    waiting.push(...to)
  }
  return edges
}

function wantedBy({ dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }: Locked): readonly string[] {
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
  return unique([...Object.keys(dependencies), ...Object.keys(optionalDependencies), ...peers])
}

/** The package that a file of a bundle is from. Modules that the build itself makes have no file. */
function placesOf(file: string): readonly string[] {
  const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? /^packages\/[^/]+/.exec(file)
  return found === null ? [] : [found[0]]
}

function componentAt(place: string, { isBundled, isInstalled, lockfile }: { isBundled: boolean; isInstalled: boolean; lockfile: Lockfile }): Component {
  const locked = lockfile[place]!
  const version = locked.version ?? missing(place)
  const name = nameAt(place, lockfile)
  const licence = licenceOf(name, locked)
  return {
    'bom-ref': refAt(place, lockfile),
    type: 'library',
    name,
    version,
    purl: purlOf(name, version),
    scope: isBundled || !isOptional(locked) ? 'required' : 'optional',
    licenses: [/ (OR|AND|WITH) /.test(licence) ? { expression: licence } : { license: { id: licence } }],
    ...(locked.integrity?.startsWith('sha512-') ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(locked.integrity.slice('sha512-'.length), 'base64').toString('hex') }] } : {}),
    properties: [{ name: 'pilot:delivery', value: isBundled && isInstalled ? 'bundled and installed' : isBundled ? 'bundled' : 'installed' }],
  }
}

const refAt = (place: string, lockfile: Lockfile): string => `${nameAt(place, lockfile)}@${lockfile[place]?.version ?? missing(place)}`
const missing = (place: string): never => {
  throw new Error(`${place} is part of a bundle, and package-lock.json has no version of it.`)
}
const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`
const isOptional = ({ optional = false }: Locked): boolean => optional
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]

/** A UUID (RFC 9562, version 8) that says the content: another bill has another one. */
function uuidOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}
