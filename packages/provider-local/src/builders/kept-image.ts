import { statfs } from 'node:fs/promises'
import { PilotError, type ArtifactReference, type Builder } from '@pilot/core'
import type { ImageInspectInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'
import { forgetBuildCaches } from './pack-marks.ts'

/** Images under a name of ours, wherever they are from: what a release needs stays although others tidy up. */

const leastFreeBytes = 512 * 1024 ** 2

/** Architectures that a machine runs besides its own. */
const alsoRuns: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] }

/** The image under its lasting name, which its own digest is part of. Throws WRONG_ARCHITECTURE before it has one. */
export async function keepImage({ engine, image, repository, title }: { engine: Engine; image: string; repository: string; title: string }): Promise<ArtifactReference> {
  const { docker } = engine
  const found = await docker.getImage(image).inspect().catch((error: unknown) => {
    throw engineError(error, `The image of ${title}`)
  })
  assertRuns(found, { engine, title })
  const version = found.Id.replace('sha256:', '').slice(0, 12)
  await docker.getImage(found.Id).tag({ repo: repository, tag: version })
  const ports = Object.keys(found.Config.ExposedPorts ?? {}).filter((port) => !port.endsWith('/udp')).map((port) => Number.parseInt(port, 10))
  const command = [...asList(found.Config.Entrypoint), ...asList(found.Config.Cmd)]
  return { digest: found.Id, type: 'image', location: `${repository}:${version}`, ports, ...(command.length > 0 ? { command } : {}) }
}

/** `exists` and `remove` of every builder whose artifacts are kept images. */
export function keptImages(engine: () => Promise<Engine>): Required<Pick<Builder, 'exists' | 'remove'>> {
  return {
    async exists({ digest }, signal) {
      const { docker } = await engine()
      signal.throwIfAborted()
      try {
        return (await orAbsent(docker.getImage(digest).inspect())) !== undefined
      } catch (error) {
        throw engineError(error, `The image ${digest.slice(0, 19)}`)
      }
    },

    async remove({ location, digest }, signal) {
      const client = await engine()
      signal.throwIfAborted()
      // By its tag, so that an image which something else uses too stays.
      const image = client.docker.getImage(location)
      try {
        const found = await orAbsent(image.inspect())
        if (found?.Id === digest) await orAbsent(image.remove())
        await forgetBuildCaches(client, location.slice(0, location.lastIndexOf(':')))
      } catch (error) {
        throw engineError(error, `The image ${location}`)
      }
    },
  }
}

export async function assertSpaceForImage({ rootDirectory }: Engine, title: string): Promise<void> {
  const disk = await statfs(rootDirectory).catch(() => undefined)
  if (!disk || disk.bavail * disk.bsize >= leastFreeBytes) return
  throw new PilotError('DISK_FULL', `Too little free space for an image of ${title}`, {
    reason: `${Math.round((disk.bavail * disk.bsize) / 1024 ** 2)} MB are free where Docker keeps its images (${rootDirectory}).`,
    suggestion: 'Free some space, for example with `docker builder prune` and `docker image prune`.',
  })
}

/** An engine may run others by emulation, some ten times slower, and with faults of its own: so that is nobody's silent default. */
function assertRuns({ Architecture, Os }: ImageInspectInfo, { engine: { architecture }, title }: { engine: Engine; title: string }): void {
  const isLinux = Os === '' || Os === 'linux'
  if (isLinux && (Architecture === '' || Architecture === architecture || alsoRuns[architecture]?.includes(Architecture))) return
  throw wrongArchitecture({ title, reason: `It is made for ${Os || 'linux'}/${Architecture}, and the Docker engine of this machine runs linux/${architecture}.`, architecture })
}

export const wrongArchitecture = ({ title, reason, architecture, cause }: { title: string; reason: string; architecture: string; cause?: unknown }): PilotError =>
  new PilotError('WRONG_ARCHITECTURE', `The image of ${title} is for another kind of machine`, {
    reason,
    suggestion: `Use an image for linux/${architecture}: most tags have one for each architecture. One that lies here under the same name is pulled anew with \`docker pull --platform linux/${architecture} IMAGE\`; one of your own is built with \`docker build --platform linux/${architecture}\`.`,
    cause,
  })

const asList = (value: string | readonly string[] | undefined | null): readonly string[] => (value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value)
