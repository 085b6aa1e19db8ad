import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotError } from '../errors/pilot-error.ts'
import { createExclusive, replaceFile } from '../store/durable-file.ts'

/** A platform as this home knows it. The identity is the id; the name is for people and may be used once per home. */
export interface PlatformRecord {
  /** 128 random bits, hexadecimal. */
  readonly id: string
  readonly name: string
  /** Which provider package runs it, and the version that made it: state of a missing provider says what to install. */
  readonly provider: { readonly name: string; readonly package: string; readonly version: string }
  readonly settings: Readonly<Record<string, unknown>>
  /** ISO 8601. */
  readonly createdAt: string
}

/** Every platform of a home, oldest first. */
export async function listPlatforms(home: string): Promise<readonly PlatformRecord[]> {
  const ids = await readdir(platformsDir(home)).catch(() => [])
  const records = await Promise.all(ids.map((id) => readRecord(home, id)))
  return records.filter((record) => record !== undefined).sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
}

/** By name; without one, the only platform. Throws NOT_FOUND, or ANSWER_NEEDED when there are several. */
export async function findPlatform(home: string, name?: string): Promise<PlatformRecord> {
  const platforms = await listPlatforms(home)
  const found = name === undefined && platforms.length === 1 ? platforms[0] : platforms.find((platform) => platform.name === name)
  if (found) return found
  const names = platforms.map((platform) => platform.name).join(', ')
  if (name !== undefined || platforms.length === 0) throw new PilotError('NOT_FOUND', name === undefined ? 'There is no platform yet' : `There is no platform ${name}`, { ...(names ? { reason: `There is ${names}.` } : {}), suggestion: 'Make one with `setup local`.' })
  throw new PilotError('ANSWER_NEEDED', 'There are several platforms', { reason: `They are ${names}.`, suggestion: 'Name one with `--platform`.' })
}

/** Writes a platform down before anything is created for it. Throws NAME_TAKEN. */
export async function registerPlatform(home: string, { name, provider, settings }: Omit<PlatformRecord, 'id' | 'createdAt'>): Promise<PlatformRecord> {
  const taken = (await listPlatforms(home)).find((platform) => platform.name === name)
  if (taken) throw new PilotError('NAME_TAKEN', `There is a platform ${name} already`, { suggestion: 'Choose another name with `--name`.' })
  const record: PlatformRecord = { id: randomBytes(16).toString('hex'), name, provider, settings, createdAt: new Date().toISOString() }
  await mkdir(platformDir(home, record.id), { recursive: true, mode: 0o700 })
  await createExclusive(join(platformDir(home, record.id), 'platform.json'), `${JSON.stringify(record, null, 2)}\n`)
  return record
}

/** Writes down other settings for a platform that is there; what they mean for its resources is the caller's business. */
export async function changePlatformSettings(home: string, platform: PlatformRecord, settings: PlatformRecord['settings']): Promise<PlatformRecord> {
  const changed: PlatformRecord = { ...platform, settings }
  await replaceFile(join(platformDir(home, platform.id), 'platform.json'), `${JSON.stringify(changed, null, 2)}\n`)
  return changed
}

/** Forgets a platform and its store: only after it was destroyed. */
export const forgetPlatform = (home: string, id: string): Promise<void> => rm(platformDir(home, id), { recursive: true, force: true })

const platformsDir = (home: string): string => join(home, 'platforms')
export const platformDir = (home: string, id: string): string => join(platformsDir(home), id)

async function readRecord(home: string, id: string): Promise<PlatformRecord | undefined> {
  const path = join(platformDir(home, id), 'platform.json')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new PilotError('HOME_UNUSABLE', `Cannot read ${path}`, { reason: error.message, cause: error })
  })
  return text === undefined ? undefined : (JSON.parse(text) as PlatformRecord)
}
