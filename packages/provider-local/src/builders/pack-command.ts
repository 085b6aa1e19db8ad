import { join } from 'node:path'
import type { BuildpackChoice } from '@pilot/core'
import type { EngineAddress } from '../engine/find-engine.ts'
import type { PackHome } from './pack-home.ts'
import type { BuildMark } from './pack-marks.ts'
import type { ProjectDescriptor } from './project-descriptor.ts'

/**
 * For amd64 and arm64, with buildpacks for Node.js, Python, Ruby, PHP, Go, Java and .NET, a Procfile among what they read; on
 * pack's own list of trusted builders.
 */
export const usualBuilder = 'heroku/builder:24'

/** The manifest, then the source, then what the user told pack, then ours. */
export const builderOf = ({ choice, descriptor, settings }: { choice: BuildpackChoice | undefined; descriptor: ProjectDescriptor; settings: Pick<PackHome, 'defaultBuilder'> }): string =>
  choice?.builder ?? descriptor.builder ?? settings.defaultBuilder ?? usualBuilder

export interface PackCommand {
  readonly image: string
  readonly builder: string
  readonly buildpacks: readonly string[]
  readonly args: Readonly<Record<string, string>>
  readonly settings: Pick<PackHome, 'pullPolicy'>
  readonly mark: BuildMark
  /** What the app was built to before: layers that did not change are taken from it. */
  readonly previous?: string
  readonly address: EngineAddress
  readonly platform: NodeJS.Platform
}

/** Values stand behind `=`, so that none can be another option. The source is the folder that it is started in. */
export function packArguments({ image, builder, buildpacks, args, settings, mark, previous, address, platform }: PackCommand): readonly string[] {
  return [
    'build',
    image,
    '--path=.',
    `--builder=${builder}`,
    ...buildpacks.map((buildpack) => `--buildpack=${buildpack}`),
    ...Object.entries(args).map(([name, value]) => `--env=${name}=${value}`),
    `--pull-policy=${settings.pullPolicy ?? 'if-not-present'}`,
    ...(inheritsAddress(address, platform) ? ['--docker-host=inherit'] : []),
    `--cache=type=build;format=volume;name=${mark.caches.build}`,
    `--cache=type=launch;format=volume;name=${mark.caches.launch}`,
    // Empty: whoever looks for what a killed build has left finds its containers by it.
    `--volume=${mark.name}:/pilot-build-mark:ro`,
    `--network=${mark.name}`,
    ...(previous === undefined ? [] : [`--previous-image=${previous}`]),
    '--no-color',
  ]
}

/**
 * The engine's socket is given to the container that writes the image. On Linux it lies where our address says; an engine in a virtual machine
 * (macOS, Docker Desktop) has it there at its usual place, which pack takes by itself, and so does an engine that is reached over TCP.
 */
const inheritsAddress = ({ url, via }: EngineAddress, platform: NodeJS.Platform): boolean => platform === 'linux' && url.startsWith('unix://') && via !== 'Docker Desktop'

/** The user's own environment without what belongs to Pilot: their proxies, their registry logins. */
export function packEnvironment({ own, settings, mark, address: { url, certificates } }: { own: Readonly<Record<string, string | undefined>>; settings: Pick<PackHome, 'dir'>; mark: BuildMark; address: EngineAddress }): Record<string, string> {
  const kept = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('PILOT_') && entry[0] !== 'DOCKER_CONTEXT')
  return {
    ...Object.fromEntries(kept),
    DOCKER_HOST: url,
    ...(certificates === undefined ? {} : { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates }),
    PACK_HOME: settings.dir,
    PACK_VOLUME_KEY: mark.repository,
    TMPDIR: join(mark.folder, 'tmp'),
    ...mark.env,
  }
}
