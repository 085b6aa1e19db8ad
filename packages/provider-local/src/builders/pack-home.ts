import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import type { Home } from '@pilot/host'

/** What the user's own pack is set to do, and the folder that ours keeps its things in: never theirs, where their pack may run at the same time. */
export interface PackHome {
  readonly dir: string
  /** `pack config default-builder` */
  readonly defaultBuilder?: string
  /** `pack config pull-policy` */
  readonly pullPolicy?: string
}

export const packFolder = (home: Home): string => join(home.dir, 'pack')

/** Brings what the user told their pack (trusted builders, mirrors, the default builder) to ours, as it is at this moment. */
export async function preparePackHome(home: Home, theirs: string = process.env['PACK_HOME'] ?? join(homedir(), '.pack')): Promise<PackHome> {
  const dir = join(packFolder(home), 'home')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const text = await readFile(join(theirs, 'config.toml'), 'utf8').catch(() => undefined)
  const config = join(dir, 'config.toml')
  if (text === undefined) {
    await rm(config, { force: true })
    return { dir }
  }
  const temporary = `${config}.${process.pid}.tmp`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, config)
  return { dir, ...settingsIn(text) }
}

/** One that is no TOML is told of by pack itself. */
export function settingsIn(text: string): Omit<PackHome, 'dir'> {
  try {
    const { 'default-builder-image': defaultBuilder, 'pull-policy': pullPolicy } = parse(text)
    return { ...(typeof defaultBuilder === 'string' && defaultBuilder !== '' ? { defaultBuilder } : {}), ...(typeof pullPolicy === 'string' && pullPolicy !== '' ? { pullPolicy } : {}) }
  } catch {
    return {}
  }
}
