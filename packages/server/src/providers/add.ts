import { cp, mkdir, readFile, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PilotError } from '@pilot/core'
import { withFileLock } from '@pilot/host'
import { inspectProvider } from './inspect.ts'
import { openProviders, type InstalledProvider } from './installed.ts'
import { assertPackageSpec, npmInstall } from './npm.ts'

export interface AddedProvider {
  readonly installed: InstalledProvider
  /** What its kinds say that they need; absent where it wants settings first. */
  readonly permissions?: readonly string[]
  /** The version that was there before. */
  readonly replaces?: string
}

/**
 * Installs a third-party provider into the home. It is tried in a copy of the folder first, so that whatever fails leaves what is
 * there as it was. Throws USAGE, NOT_FOUND and PROVIDER_UNUSABLE.
 */
export async function addProvider({ home, spec, signal }: { home: string; spec: string; signal: AbortSignal }): Promise<AddedProvider> {
  assertPackageSpec(spec)
  const [folder, trial, old] = ['providers', 'providers.new', 'providers.old'].map((name) => join(home, name)) as [string, string, string]
  return await withFileLock(join(home, 'providers.lock'), async () => {
    await finishSwap({ folder, old })
    await rm(trial, { recursive: true, force: true })
    const before = await dependencies(folder)
    try {
      await copyOrMake(folder, trial)
      await npmInstall({ folder: trial, spec, signal })
      await linkCore(trial)
      const packageName = nameOf(spec, { before, after: await dependencies(trial) })
      const { installed, replaces } = await assertProvider({ home, trial, packageName })
      const { permissions } = await inspectProvider({ folder: trial, installed, signal })
      if (await exists(folder)) await rename(folder, old)
      await rename(trial, folder)
      await rm(old, { recursive: true, force: true })
      return { installed, ...(permissions === undefined ? {} : { permissions }), ...(replaces === undefined ? {} : { replaces }) }
    } finally {
      await rm(trial, { recursive: true, force: true })
    }
  }, { timeoutMs: 200_000 })
}

/** What its package.json says, before any of its code runs. */
async function assertProvider({ home, trial, packageName }: { home: string; trial: string; packageName: string }): Promise<{ installed: InstalledProvider; replaces?: string }> {
  const found = (await openProviders({ home, folder: trial }).list()).find((each) => each.package === packageName)
  if (!found) throw new PilotError('PROVIDER_UNUSABLE', `${packageName} is no provider of Pilot`, { reason: 'Its package.json has no `"pilot": { "provider": …, "contract": … }`.' })
  if (found.unusable !== undefined) throw new PilotError('PROVIDER_UNUSABLE', `${packageName}@${found.version} cannot be used`, { reason: found.unusable })
  const previous = (await openProviders({ home }).list()).find((each) => each.package === packageName)
  return { installed: found, ...(previous === undefined ? {} : { replaces: previous.version }) }
}

/** A crash between two renames left no folder, and the one of before beside it. */
async function finishSwap({ folder, old }: { folder: string; old: string }): Promise<void> {
  if (!(await exists(folder)) && (await exists(old))) await rename(old, folder)
  await rm(old, { recursive: true, force: true })
}

/** With what is installed already, so that nothing of it is downloaded again. */
async function copyOrMake(folder: string, trial: string): Promise<void> {
  if (await exists(folder)) return cp(folder, trial, { recursive: true, verbatimSymlinks: true })
  await mkdir(trial, { mode: 0o700 })
  await writeFile(join(trial, 'package.json'), `${JSON.stringify({ name: 'pilot-providers', private: true }, undefined, 2)}\n`)
}

/** Providers share Pilot's own core: it is theirs by `peerDependencies`, and lies where their imports look. */
async function linkCore(folder: string): Promise<void> {
  const place = join(folder, 'node_modules/@pilot/core')
  const searched = createRequire(import.meta.url).resolve.paths('@pilot/core') ?? []
  for (const modules of searched) {
    const core = join(modules, '@pilot/core')
    if (!(await exists(join(core, 'package.json')))) continue
    await rm(place, { recursive: true, force: true })
    await mkdir(dirname(place), { recursive: true })
    return symlink(await realpath(core), place)
  }
}

/** The one that came; of one that was there in the same version, what was asked for. */
function nameOf(spec: string, { before, after }: Readonly<Record<'before' | 'after', Readonly<Record<string, string>>>>): string {
  const changed = Object.keys(after).find((name) => after[name] !== before[name])
  return changed ?? Object.keys(after).find((name) => spec === name || spec.startsWith(`${name}@`) || after[name]?.endsWith(spec)) ?? spec
}

const dependencies = async (folder: string): Promise<Readonly<Record<string, string>>> =>
  readFile(join(folder, 'package.json'), 'utf8').then((text) => (JSON.parse(text) as { dependencies?: Record<string, string> }).dependencies ?? {}, () => ({}))

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false)
