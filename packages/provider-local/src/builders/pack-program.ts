import { PilotError } from '@pilot/core'
import { findProgram } from '../process/programs.ts'

/** The oldest that has all that we ask of it, among it caches under names of ours. Of June 2023. */
const oldest = [0, 30] as const

export interface PackProgram {
  readonly file: string
  /** As it tells it, `0.40.6`. */
  readonly version: string
}

/** What `pack` of the buildpacks project is on this machine. There are other programs of that name: they tell no such version. */
export async function findPack(path: string = process.env['PATH'] ?? ''): Promise<PackProgram | undefined> {
  const file = await findProgram('pack', path)
  if (file === undefined) return undefined
  const { execa } = await import('execa')
  const said = await execa(file, ['version'], { stdin: 'ignore', timeout: 10_000 }).catch(() => undefined)
  const version = /^v?(\d+\.\d+\.\d+)(?:[-+]\S*)?$/m.exec(said?.stdout.trim() ?? '')?.[1]
  return version === undefined ? undefined : { file, version }
}

/** A build of the sources without a number calls itself 0.0.0. */
export function isTooOld({ version }: Pick<PackProgram, 'version'>): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return version !== '0.0.0' && (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
}

/** Throws PACK_UNAVAILABLE when there is none, or one that is too old. */
export async function requirePack(title: string): Promise<PackProgram> {
  const found = await findPack()
  if (found === undefined) throw new PilotError('PACK_UNAVAILABLE', `${title} is to be built with buildpacks, and \`pack\` is not installed`, { suggestion: howToInstall() })
  if (isTooOld(found)) throw new PilotError('PACK_UNAVAILABLE', `${title} is to be built with buildpacks, and \`pack\` ${found.version} is too old`, { reason: `Pilot needs ${oldest.join('.')} or newer; this one is ${found.file}.`, suggestion: howToInstall() })
  return found
}

export const howToInstall = (platform: NodeJS.Platform = process.platform): string =>
  platform === 'darwin'
    ? 'Install it with `brew install buildpacks/tap/pack`.'
    : 'Install it: Ubuntu has it in `ppa:cncf-buildpacks/pack-cli` (package pack-cli), Arch in `pack-cli`; elsewhere put the program of https://github.com/buildpacks/pack/releases into /usr/local/bin.'
