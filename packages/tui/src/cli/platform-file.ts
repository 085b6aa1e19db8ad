import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parsePlatformFile, PilotError, writePlatformFile, type PlatformFile, type SettingProblem } from '@pilot/core'
import { isPilotError } from '@pilot/core/errors'
import type { CommandContext } from './context.ts'
import { fileProblem } from './text/file-problem.ts'

/** What `setup` asks the server for. */
export interface WantedPlatform {
  readonly request: { readonly provider: string; readonly name?: string; readonly settings: Record<string, unknown> }
  /** What the provider says of the settings, with their lines in the file; undefined for any other error. */
  invalid?(error: unknown): PilotError | undefined
}

/** A platform.yaml. Throws SOURCE_UNREADABLE, MANIFEST_INVALID. */
export async function readPlatformFile(context: CommandContext, file: string): Promise<WantedPlatform> {
  const path = resolve(context.cwd, file)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new PilotError('SOURCE_UNREADABLE', `${file} cannot be read`, { reason: fileProblem(error as NodeJS.ErrnoException), cause: error })
  })
  const { provider, name, settings, invalid } = parsePlatformFile({ text, file })
  return {
    request: { provider, settings: { ...settings }, ...(name === undefined ? {} : { name }) },
    invalid(error) {
      const problems = isPilotError(error) && error.code === 'USAGE' ? (error.details?.['settings'] as readonly SettingProblem[] | undefined) : undefined
      return problems === undefined ? undefined : invalid(problems)
    },
  }
}

/** A platform of this home as a file, by its name or as the only one. */
export async function exportedPlatform(context: CommandContext, name: string | undefined): Promise<{ readonly document: PlatformFile; readonly text: string }> {
  const { platforms } = await (await context.client()).request('platforms', { signal: context.signal })
  const names = platforms.map((platform) => platform.name).join(', ')
  const found = name === undefined && platforms.length === 1 ? platforms[0] : platforms.find((platform) => platform.name === name)
  if (found !== undefined) {
    const document: PlatformFile = { provider: found.provider, name: found.name, settings: found.settings }
    return { document, text: writePlatformFile(document) }
  }
  if (platforms.length > 1 && name === undefined) throw new PilotError('ANSWER_NEEDED', 'There are several platforms', { reason: `They are ${names}.`, suggestion: 'Name one with `--name`.' })
  throw new PilotError('NOT_FOUND', name === undefined ? 'There is no platform yet' : `There is no platform ${name}`, { ...(names === '' ? {} : { reason: `There is ${names}.` }), suggestion: 'Make one with `setup local`.' })
}
