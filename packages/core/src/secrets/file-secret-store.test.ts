import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { secretRef } from '../provider/value.ts'
import { createFileSecretStore } from './file-secret-store.ts'
import { loadOrCreateKey } from './key-file.ts'
import { seal, unseal } from './seal.ts'
import type { SecretStore } from './secret-store.ts'

let dir: string
let secrets: SecretStore
const key = randomBytes(32)

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-secrets-'))
  secrets = createFileSecretStore({ dir: join(dir, 'secrets'), key })
})
afterEach(() => rm(dir, { recursive: true }))

describe('a secret store of files', () => {
  it('counts versions from 1 and keeps every one readable', async () => {
    const first = await secrets.put('app/shop/api/production/JWT_KEY', 'one')
    const second = await secrets.put('app/shop/api/production/JWT_KEY', 'zwei\nü 💾')
    expect(first).toEqual(secretRef({ store: 'file', name: 'app/shop/api/production/JWT_KEY', version: 1 }))
    expect(second.$secret.version).toBe(2)
    const again = createFileSecretStore({ dir: join(dir, 'secrets'), key })
    expect([await again.get(first), await again.get(second)]).toEqual(['one', 'zwei\nü 💾'])
  })

  it('does not know other versions, names and stores', async () => {
    await secrets.put('a', 'x')
    for (const reference of [{ store: 'file', name: 'a', version: 2 }, { store: 'file', name: 'b', version: 1 }, { store: 'vault', name: 'a', version: 1 }]) {
      await expect(secrets.get(secretRef(reference))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('makes a generated secret once, also when many ask at once', async () => {
    let made = 0
    const references = await Promise.all(Array.from({ length: 10 }, () => secrets.ensure('db/password', () => `generated-${++made}`)))
    expect(new Set(references.map((reference) => reference.$secret.version))).toEqual(new Set([1]))
    const value = await secrets.get(references[0]!)
    expect(await secrets.get(await secrets.ensure('db/password', () => 'never'))).toBe(value)
  })

  it('lists the newest version of what was not removed, below a prefix', async () => {
    await secrets.put('app/shop/api/production/KEY', '1')
    await secrets.put('app/shop/api/production/KEY', '2')
    await secrets.put('app/shop/api/production/GONE', '1')
    await secrets.put('app/shop/api/preview/KEY', '1')
    await secrets.put('app/shop/api', 'a name that is also a prefix')
    await secrets.remove('app/shop/api/production/GONE')
    await secrets.remove('app/shop/api/production/NEVER')
    const listed = async (prefix: string) => (await secrets.list(prefix)).map(({ name, version }) => `${name} ${version}`)
    expect(await listed('app/shop/api/production')).toEqual(['app/shop/api/production/KEY 2'])
    expect((await secrets.list('app/shop/api/production', { removed: true })).map(({ name }) => name)).toEqual(['app/shop/api/production/GONE', 'app/shop/api/production/KEY'])
    expect(await listed('app')).toEqual(['app/shop/api 1', 'app/shop/api/preview/KEY 1', 'app/shop/api/production/KEY 2'])
    expect(await listed('app/shop/api/production/')).toEqual(['app/shop/api/production/KEY 2'])
    expect(await listed('')).toHaveLength(3)
    expect(await listed('app/sho')).toEqual([])
    expect((await secrets.list('app'))[0]!.updatedAt).toMatch(/^\d{4}-\d\d-\d\dT/)
  })

  it('keeps removed versions readable until they are purged, and brings a name back with its next version', async () => {
    const first = await secrets.put('a/KEY', 'one')
    await secrets.remove('a/KEY')
    expect(await secrets.get(first)).toBe('one')
    const second = await secrets.ensure('a/KEY', () => 'two')
    expect(second.$secret.version).toBe(2)
    expect((await secrets.list('a')).map(({ version }) => version)).toEqual([2])
    await secrets.purge('a/')
    await secrets.purge('a')
    await expect(secrets.get(first)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await secrets.list('')).toEqual([])
  })

  it('tells names apart that differ in case only, on every file system', async () => {
    const references = await Promise.all(['KEY', 'key', 'Key', 'kEY'].map((name) => secrets.put(`a/${name}`, name)))
    expect(await Promise.all(references.map((reference) => secrets.get(reference)))).toEqual(['KEY', 'key', 'Key', 'kEY'])
    expect((await secrets.list('a')).map(({ name }) => name).sort()).toEqual(['a/KEY', 'a/Key', 'a/kEY', 'a/key'])
    const folders = await readdir(join(dir, 'secrets', 'a'))
    expect(new Set(folders.map((folder) => folder.toLowerCase())).size).toBe(4)
  })

  it('refuses names that could lead elsewhere', async () => {
    for (const name of ['', '/', '../x', 'a/../b', 'a//b', '.', 'a/.hidden', 'a b', 'a\0', '@', 'a/@/b', 'x'.repeat(101)]) await expect(secrets.put(name, 'x'), name).rejects.toMatchObject({ code: 'USAGE' })
    await expect(secrets.purge('')).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('writes nothing readable, for the owner only', async () => {
    await secrets.put('a/KEY', 'correct horse battery staple')
    const entries = await readdir(join(dir, 'secrets'), { recursive: true, withFileTypes: true })
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name)
      expect((await stat(path)).mode & 0o777).toBe(entry.isDirectory() ? 0o700 : 0o600)
      if (entry.isFile()) expect(await readFile(path, 'utf8')).not.toMatch(/correct|horse|Y29ycmVjd/)
    }
  })

  it('notices another key, a flipped bit, and boxes that changed places', async () => {
    const first = await secrets.put('a', 'one')
    const second = await secrets.put('a', 'two')
    const path = (version: number) => join(dir, 'secrets', 'a', '@', `0000000${version}.box`)
    await expect(createFileSecretStore({ dir: join(dir, 'secrets'), key: randomBytes(32) }).get(first)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE', reason: expect.stringContaining('another key') })
    const box = await readFile(path(1), 'utf8')
    await writeFile(path(2), box)
    await expect(secrets.get(second)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
    await writeFile(path(1), box.slice(0, -3) + (box.at(-3) === 'A' ? 'B' : 'A') + box.slice(-2))
    await expect(secrets.get(first)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE', message: expect.stringContaining('Version 1 of the secret a') })
    await writeFile(path(1), '')
    await expect(secrets.get(first)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
  })

  it('gives equal fingerprints to equal values, under one key only', async () => {
    expect(await secrets.fingerprint('x')).toBe(await secrets.fingerprint('x'))
    expect(await secrets.fingerprint('x')).not.toBe(await secrets.fingerprint('y'))
    expect(await createFileSecretStore({ dir, key: randomBytes(32) }).fingerprint('x')).not.toBe(await secrets.fingerprint('x'))
  })

  it('gives every one of many processes versions and a key of its own right', async () => {
    const module = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)))
    const code = `
      import { createFileSecretStore } from ${module('./file-secret-store.ts')}
      import { loadOrCreateKey } from ${module('./key-file.ts')}
      const secrets = createFileSecretStore({ dir: ${JSON.stringify(join(dir, 'raced'))}, key: await loadOrCreateKey(${JSON.stringify(join(dir, 'keys', 'raced.key'))}) })
      for (let n = 0; n < 15; n++) {
        const reference = await secrets.put('a/KEY', process.pid + '-' + n)
        console.log(reference.$secret.version, process.pid + '-' + n)
      }
    `
    const outputs = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module-typescript', '--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] })
        const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')])
        expect(exitCode).toBe(0)
        return output.trim().split('\n').map((line) => line.split(' '))
      }),
    )
    const puts = outputs.flat()
    expect(puts.map(([version]) => Number(version)).sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
    const raced = createFileSecretStore({ dir: join(dir, 'raced'), key: await loadOrCreateKey(join(dir, 'keys', 'raced.key')) })
    for (const [version, value] of puts) expect(await raced.get(secretRef({ store: 'file', name: 'a/KEY', version: Number(version) }))).toBe(value)
  })
})

describe('the key of a home', () => {
  it('is made once, for its owner only, and read back', async () => {
    const path = join(dir, 'keys', 'secrets.key')
    const [one, two] = await Promise.all([loadOrCreateKey(path), loadOrCreateKey(path)])
    expect(one.equals(two)).toBe(true)
    expect((await loadOrCreateKey(path)).equals(one)).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(JSON.stringify(one)).toBe('{}')
  })

  it('is refused when others may read it, and when it is none', async () => {
    const path = join(dir, 'secrets.key')
    await loadOrCreateKey(path)
    await chmod(path, 0o640)
    await expect(loadOrCreateKey(path)).rejects.toMatchObject({ code: 'HOME_UNUSABLE', reason: expect.stringContaining('640'), suggestion: expect.stringContaining(`chmod 600 ${path}`) })
    await chmod(path, 0o600)
    await writeFile(path, 'short')
    await expect(loadOrCreateKey(path)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  })
})

describe('a sealed text', () => {
  it('opens with its key and context only, and looks different every time', () => {
    const box = seal(key, 'DATABASE_URL=x', 'service/edge')
    expect(unseal(key, box, 'service/edge')).toBe('DATABASE_URL=x')
    expect(seal(key, 'DATABASE_URL=x', 'service/edge')).not.toBe(box)
    expect(box).not.toContain('DATABASE')
    for (const [otherKey, otherBox, context] of [[key, box, 'service/api'], [randomBytes(32), box, 'service/edge'], [key, box.slice(0, -4), 'service/edge'], [key, 'plain text', 'service/edge']] as const) {
      expect(() => unseal(otherKey, otherBox, context)).toThrow(expect.objectContaining({ code: 'SECRET_UNREADABLE' }))
    }
  })
})
