import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotError } from '../errors/pilot-error.ts'
import { secretRef, type SecretRef } from '../provider/value.ts'
import { errorCode, guarded, makeSure, readIfThere, removeFolder, replaceFile } from '../store/durable-file.ts'
import { numberedFiles, type NumberedFiles } from '../store/numbered-files.ts'
import { keyedHash, seal, unseal, type SealKey } from './seal.ts'
import { decodePart, encodePart, secretNameParts } from './secret-name.ts'
import type { SecretStore } from './secret-store.ts'

export interface FileSecretStoreOptions {
  readonly dir: string
  /** Kept elsewhere: see {@link loadOrCreateKey}. */
  readonly key: SealKey
  /** Stands in references; default `file`. */
  readonly name?: string
}

/**
 * Secrets as one encrypted file per version, `<dir>/<name>/@/00000001.box`; the name and the version are part of what is
 * authenticated. Safe against crashes, and against other processes: two that put at once get two versions.
 */
export function createFileSecretStore({ dir, key, name: storeName = 'file' }: FileSecretStoreOptions): SecretStore {
  return {
    name: storeName,

    async put(name, value) {
      const versions = versionsOf(name)
      for (;;) {
        const version = (versions.newest() ?? 0) + 1
        if (await versions.create(version, `${seal(key, value, contextOf(name, version))}\n`)) return reference(name, version)
      }
    },

    async ensure(name, create) {
      const versions = versionsOf(name)
      for (;;) {
        const newest = versions.newest()
        if (newest !== undefined && newest > (await removedUpTo(name))) {
          // It is about to be used, and who wrote it may have been killed before its name was safe.
          await makeSure(versions.path(newest))
          return reference(name, newest)
        }
        const version = (newest ?? 0) + 1
        if (await versions.create(version, `${seal(key, create(), contextOf(name, version))}\n`)) return reference(name, version)
      }
    },

    async get({ $secret: { store, name, version } }) {
      const box = store === storeName ? await versionsOf(name).read(version) : undefined
      if (box === undefined) throw new PilotError('NOT_FOUND', `There is no version ${version} of the secret ${name} in the store ${store}`, { suggestion: 'Set it again with `secret set`.', details: { store, name, version } })
      try {
        return unseal(key, box, contextOf(name, version))
      } catch (error) {
        throw new PilotError('SECRET_UNREADABLE', `Version ${version} of the secret ${name} cannot be decrypted`, { reason: (error as PilotError).reason ?? String(error), details: { store, name, version } })
      }
    },

    async list(prefix, { removed = false } = {}) {
      const found: { name: string; version: number; updatedAt: string }[] = []
      for (const name of await namesBelow(prefix)) {
        const versions = versionsOf(name)
        const version = versions.newest()
        if (version === undefined || (!removed && version <= (await removedUpTo(name)))) continue
        const written = await stat(versions.path(version)).catch(() => undefined)
        if (written !== undefined) found.push({ name, version, updatedAt: written.mtime.toISOString() })
      }
      return found
    },

    async remove(name) {
      const newest = versionsOf(name).newest()
      if (newest !== undefined) await replaceFile(removalOf(name), `${newest}\n`)
    },

    async purge(prefix) {
      const folder = folderOf(prefix.replace(/\/$/, ''))
      await removeFolder(folder)
    },

    fingerprint: async (value) => keyedHash(key, value),
  }

  function folderOf(name: string): string {
    return join(dir, ...secretNameParts(name).map(encodePart))
  }

  function versionsOf(name: string): NumberedFiles {
    return numberedFiles({ folder: join(folderOf(name), versionsFolder), extension: 'box' })
  }

  function removalOf(name: string): string {
    return join(folderOf(name), versionsFolder, 'removed')
  }

  /** The version that was the newest when the name was removed; later ones brought it back. */
  async function removedUpTo(name: string): Promise<number> {
    const text = await readIfThere(removalOf(name))
    return text === undefined ? 0 : Number(text)
  }

  /** The prefix itself, if it is a name, and every name below it; a `/` at its end changes nothing. An empty prefix is everything. */
  async function namesBelow(prefix: string): Promise<readonly string[]> {
    const parts = prefix === '' ? [] : secretNameParts(prefix.replace(/\/$/, ''))
    return (await walk(join(dir, ...parts.map(encodePart)), parts)).sort()
  }

  function reference(name: string, version: number): SecretRef {
    return secretRef({ store: storeName, name, version })
  }
}

/** No part of a name may contain it. */
const versionsFolder = '@'

const contextOf = (name: string, version: number) => `secret/${name}/${version}`

async function walk(folder: string, parts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const child of await foldersIn(folder)) {
    if (child === versionsFolder) found.push(parts.join('/'))
    else found.push(...(await walk(join(folder, child), [...parts, decodePart(child)])))
  }
  return found
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await guarded(folder, () => readdir(folder, { withFileTypes: true }))
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}
