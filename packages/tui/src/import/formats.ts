import { basename, dirname } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { Imported, ImportInput } from './draft.ts'

export const importFormats = ['procfile', 'compose', 'kamal', 'waypoint'] as const
export type ImportFormat = (typeof importFormats)[number]

/** As people call them. */
export const formatTitle: Readonly<Record<ImportFormat, string>> = { procfile: 'a Procfile', compose: 'a compose.yaml', kamal: "Kamal's deploy.yml", waypoint: 'a waypoint.hcl' }

/** By the file's name, else by what stands in it. Throws USAGE when neither says. */
export function formatOf({ file, text }: { file: string; text: string }): ImportFormat {
  const name = basename(file).toLowerCase()
  if (/^procfile(?:\.|$)/.test(name)) return 'procfile'
  if (name.endsWith('.hcl')) return 'waypoint'
  if (/compose[\w.-]*\.ya?ml$/.test(name)) return 'compose'
  if (/^deploy(?:\.[\w-]+)?\.ya?ml$/.test(name) || /^service:/m.test(text)) return 'kamal'
  if (/^services:/m.test(text)) return 'compose'
  throw new PilotError('USAGE', `${file} is in no format that Pilot knows by its name.`, { suggestion: `Say which it is with --from: ${importFormats.join(', ')}.` })
}

/** The folder of the app: Kamal keeps its file in a folder of its own. */
export const appFolderOf = (path: string, format: ImportFormat): string => (format === 'kamal' && basename(dirname(path)) === 'config' ? dirname(dirname(path)) : dirname(path))

/** From the text of a file to a manifest and what could not be carried over: reads and writes nothing. */
export async function importFrom(format: ImportFormat, input: ImportInput): Promise<Imported> {
  switch (format) {
    case 'procfile':
      return (await import('./procfile.ts')).importProcfile(input)
    case 'compose':
      return (await import('./compose.ts')).importCompose(input)
    case 'kamal':
      return (await import('./kamal.ts')).importKamal(input)
    case 'waypoint':
      return await (await import('./waypoint.ts')).importWaypoint(input)
  }
}
