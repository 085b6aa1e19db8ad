import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { contractVersion, PilotError, toPilotError, type AnyProvider } from '@pilot/core'
import { builtInProviders } from './built-in.ts'

/** A provider as its package.json describes it: known before any of its code runs. */
export interface InstalledProvider {
  readonly name: string
  readonly package: string
  readonly version: string
  readonly contract: number
  readonly builtIn: boolean
  /** Why it cannot be used. */
  readonly unusable?: string
}

export interface Providers {
  list(): Promise<readonly InstalledProvider[]>
  /** Throws NOT_FOUND, naming what is installed; KIND_UNKNOWN with the package when it cannot be used. */
  load(name: string): Promise<{ readonly provider: AnyProvider; readonly installed: InstalledProvider }>
}

interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly pilot?: { readonly provider?: unknown; readonly contract?: unknown }
}

/** Providers that come with Pilot, and those in `<home>/providers/node_modules`. `folder`: another one in place of it; `extra`: for tests. */
export function openProviders({ home, folder = join(home, 'providers'), extra = [] }: { readonly home: string; readonly folder?: string; readonly extra?: readonly AnyProvider[] }): Providers {
  const modules = join(folder, 'node_modules')
  const loaded = new Map<string, Promise<AnyProvider>>()

  async function list(): Promise<readonly InstalledProvider[]> {
    const own = await Promise.all(Object.entries(builtInProviders).map(async ([name, { package: packageName, manifest }]) => describe((await manifest()).default as Manifest, { name, packageName, builtIn: true })))
    const given = extra.map(({ name, contract }) => ({ name, package: `${name} (in this process)`, version: '0.0.0', contract, builtIn: true }))
    const taken = new Map([...own, ...given].map((provider) => [provider.name, provider]))
    for (const packageName of await packagesIn(modules)) {
      const provider = await readThirdParty(join(modules, packageName), packageName)
      if (provider === undefined) continue
      const other = taken.get(provider.name)
      const clash: InstalledProvider = other === undefined ? provider : { ...provider, unusable: `The name ${provider.name} belongs to ${other.package}.` }
      taken.set(other === undefined ? provider.name : `${provider.name} ${packageName}`, clash)
    }
    return [...taken.values()]
  }

  async function load(name: string): Promise<{ provider: AnyProvider; installed: InstalledProvider }> {
    const all = await list()
    const installed = all.find((candidate) => candidate.name === name)
    if (installed === undefined) {
      throw new PilotError('NOT_FOUND', `There is no provider ${name}`, { reason: `Installed: ${all.map((provider) => provider.name).join(', ')}.`, suggestion: 'Install its package: `provider add PACKAGE@VERSION`.' })
    }
    if (installed.unusable !== undefined) throw unusable(installed, installed.unusable)
    const promise = loaded.get(name) ?? importProvider(installed)
    loaded.set(name, promise)
    promise.catch(() => loaded.delete(name))
    return { provider: await promise, installed }
  }

  async function importProvider(installed: InstalledProvider): Promise<AnyProvider> {
    const own = extra.find(({ name }) => name === installed.name)
    if (own !== undefined) return own
    const builtIn = builtInProviders[installed.name]
    const provider = await (builtIn?.load() ?? importFrom(modules, installed.package)).then(
      (module) => module.default as AnyProvider | undefined,
      (error: unknown) => {
        throw unusable(installed, toPilotError(error).message)
      },
    )
    if (typeof provider?.connect !== 'function' || provider.name !== installed.name) throw unusable(installed, `Its default export is not the provider ${installed.name}.`)
    if (provider.contract !== contractVersion) throw unusable(installed, `It speaks version ${provider.contract} of the contract; this Pilot speaks ${contractVersion}.`)
    return provider
  }

  return { list, load }
}

function describe({ version, pilot }: Manifest, { name, packageName, builtIn }: { name: string; packageName: string; builtIn: boolean }): InstalledProvider {
  const contract = typeof pilot?.contract === 'number' ? pilot.contract : builtIn ? contractVersion : 0
  const wrong = contract === contractVersion ? undefined : `It speaks version ${contract} of the contract; this Pilot speaks ${contractVersion}.`
  return { name, package: packageName, version: version ?? '0.0.0', contract, builtIn, ...(wrong === undefined ? {} : { unusable: wrong }) }
}

/** Undefined when it is no provider: the folder also holds what providers depend on. */
async function readThirdParty(folder: string, packageName: string): Promise<InstalledProvider | undefined> {
  const manifest = await readFile(join(folder, 'package.json'), 'utf8').then((text) => JSON.parse(text) as Manifest, () => undefined)
  const name = manifest?.pilot?.provider
  return manifest !== undefined && typeof name === 'string' ? describe(manifest, { name, packageName, builtIn: false }) : undefined
}

/** As Node would resolve it from inside the folder, so that `exports` and `main` count. */
async function importFrom(modules: string, packageName: string): Promise<{ readonly default: unknown }> {
  const entry = createRequire(join(modules, 'pilot.cjs')).resolve(packageName)
  return (await import(pathToFileURL(entry).href)) as { readonly default: unknown }
}

async function packagesIn(modules: string): Promise<readonly string[]> {
  const names = await readdir(modules).catch(() => [])
  const scoped = await Promise.all(names.filter((name) => name.startsWith('@')).map(async (scope) => (await readdir(join(modules, scope)).catch(() => [])).map((name) => `${scope}/${name}`)))
  return [...names.filter((name) => !name.startsWith('@') && !name.startsWith('.')), ...scoped.flat()].sort()
}

function unusable({ name, package: packageName, version }: InstalledProvider, reason: string): PilotError {
  return new PilotError('KIND_UNKNOWN', `The provider ${name} (${packageName}@${version}) cannot be used`, { reason, suggestion: `Install a version that fits: \`provider add ${packageName}@VERSION\`.` })
}
