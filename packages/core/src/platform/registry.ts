import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { PilotError } from '../errors/pilot-error.ts'
import { createExclusive, errorCode, guarded, replaceFile } from '../store/durable-file.ts'

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

/** A platform of which nothing is known but its id: its record cannot be read. */
export interface BrokenPlatform {
  readonly id: string
  /** HOME_UNUSABLE, naming the file. */
  readonly error: PilotError
}

/** Every platform of a home that can be used, oldest first. */
export const listPlatforms = async (home: string): Promise<readonly PlatformRecord[]> => (await readPlatforms(home)).platforms

/** The same, and those whose record cannot be read. Throws HOME_UNUSABLE when not even the folder can. */
export async function readPlatforms(home: string): Promise<{ readonly platforms: readonly PlatformRecord[]; readonly broken: readonly BrokenPlatform[] }> {
  const found = await Promise.all((await platformIds(home)).map((id) => readRecord(home, id)))
  const platforms = found.flatMap((each) => (each !== undefined && 'name' in each ? [each] : [])).sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
  return { platforms, broken: found.flatMap((each) => (each !== undefined && 'error' in each ? [each] : [])) }
}

/**
 * By name; without one, the only platform. Throws NOT_FOUND, or ANSWER_NEEDED when there are several; HOME_UNUSABLE when the
 * platform that is meant may be one whose record cannot be read.
 */
export async function findPlatform(home: string, name?: string): Promise<PlatformRecord> {
  const { platforms, broken } = await readPlatforms(home)
  const found = name === undefined && platforms.length === 1 && broken.length === 0 ? platforms[0] : platforms.find((platform) => platform.name === name)
  if (found) return found
  refuseBroken(broken, name)
  const names = platforms.map((platform) => platform.name).join(', ')
  if (name !== undefined || platforms.length === 0) throw new PilotError('NOT_FOUND', name === undefined ? 'There is no platform yet' : `There is no platform ${name}`, { ...(names ? { reason: `There is ${names}.` } : {}), suggestion: 'Make one with `setup local`.' })
  throw new PilotError('ANSWER_NEEDED', 'There are several platforms', { reason: `They are ${names}.`, suggestion: 'Name one with `--platform`.' })
}

/** Undefined when there is none of this name. Throws HOME_UNUSABLE while a record cannot be read, which may hold it. */
export async function platformNamed(home: string, name: string): Promise<PlatformRecord | undefined> {
  const { platforms, broken } = await readPlatforms(home)
  const found = platforms.find((platform) => platform.name === name)
  if (found === undefined) refuseBroken(broken, name)
  return found
}

/** The identity of a platform that is about to be made. */
export const newPlatformId = (): string => randomBytes(16).toString('hex')

/** Writes a platform down before anything is created for it; under the id of the plan that was approved for it, if there was one. Throws NAME_TAKEN, HOME_UNUSABLE. */
export async function registerPlatform(home: string, { name, provider, settings, id = newPlatformId() }: Omit<PlatformRecord, 'id' | 'createdAt'> & { readonly id?: string }): Promise<PlatformRecord> {
  if ((await platformNamed(home, name)) !== undefined) throw new PilotError('NAME_TAKEN', `There is a platform ${name} already`, { suggestion: 'Choose another name with `--name`.' })
  const record: PlatformRecord = { id, name, provider, settings, createdAt: new Date().toISOString() }
  await mkdir(platformDir(home, record.id), { recursive: true, mode: 0o700 })
  if (await createExclusive(join(platformDir(home, record.id), 'platform.json'), `${JSON.stringify(record, null, 2)}\n`)) return record
  throw new PilotError('NAME_TAKEN', `There is a platform with the id ${id} already`, { suggestion: 'Make a new plan.' })
}

/** Writes down other settings for a platform that is there; what they mean for its resources is the caller's business. */
export async function changePlatformSettings(home: string, platform: PlatformRecord, settings: PlatformRecord['settings']): Promise<PlatformRecord> {
  const changed: PlatformRecord = { ...platform, settings }
  await replaceFile(join(platformDir(home, platform.id), 'platform.json'), `${JSON.stringify(changed, null, 2)}\n`)
  return changed
}

/** Forgets a platform and its store: only after it was destroyed. */
export const forgetPlatform = (home: string, id: string): Promise<void> => rm(platformDir(home, id), { recursive: true, force: true, maxRetries: 3 })

const platformsDir = (home: string): string => join(home, 'platforms')
export const platformDir = (home: string, id: string): string => join(platformsDir(home), id)

async function platformIds(home: string): Promise<readonly string[]> {
  const folder = platformsDir(home)
  return guarded(folder, () => readdir(folder)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
}

/** Undefined where there is no record: a setup that died before it wrote one, or a file that is not ours. */
async function readRecord(home: string, id: string): Promise<PlatformRecord | BrokenPlatform | undefined> {
  const path = join(platformDir(home, id), 'platform.json')
  try {
    const parsed = recordSchema.safeParse(JSON.parse(await readFile(path, 'utf8')))
    if (!parsed.success) return broken({ id, path, reason: parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the document'}: ${issue.message}`).join('; ') })
    if (parsed.data.id !== id) return broken({ id, path, reason: `it is the record of another platform, ${parsed.data.id}` })
    return parsed.data
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    return broken({ id, path, reason: (error as Error).message, cause: error })
  }
}

/** What a newer Pilot adds is kept. */
const recordSchema: z.ZodType<PlatformRecord> = z.looseObject({
  id: z.string(),
  name: z.string(),
  provider: z.looseObject({ name: z.string(), package: z.string(), version: z.string() }),
  settings: z.record(z.string(), z.unknown()),
  createdAt: z.string(),
})

function broken({ id, path, reason, cause }: { id: string; path: string; reason: string; cause?: unknown }): BrokenPlatform {
  const suggestion = 'Restore this file from a backup of the home; the other platforms work when they are named with `--platform`.'
  return { id, error: new PilotError('HOME_UNUSABLE', `${path} cannot be read`, { reason, suggestion, cause, details: { platform: id, path } }) }
}

function refuseBroken(platforms: readonly BrokenPlatform[], id?: string): void {
  const [first] = platforms.toSorted((a, b) => Number(b.id === id) - Number(a.id === id))
  if (first !== undefined) throw first.error
}
