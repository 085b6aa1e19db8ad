import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { posix } from 'node:path'
import { PilotError, type ArtifactReference, type Builder, type SourceFacts } from '@pilot/core'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'
import { imageRepository } from '../ownership.ts'
import { buildWithBuildx, findBuildx } from './buildx.ts'
import { dockerfileNeeds } from './dockerfile-needs.ts'
import { buildWithEngine } from './engine-build.ts'
import type { ImageBuild } from './image-build.ts'

const leastFreeBytes = 512 * 1024 ** 2

/** Builds an image from a Dockerfile: with `docker buildx` where it is installed, else through the engine's API. */
export function dockerfileBuilder({ engine, platformId }: { engine: () => Promise<Engine>; platformId: string }): Builder {
  return {
    name: 'dockerfile',
    target: 'container',

    fits(facts) {
      if (facts.build === 'buildpack') return undefined
      if (facts.build) return { reason: `the manifest names ${facts.build}` }
      return facts.files.includes('Dockerfile') ? { reason: 'there is a Dockerfile' } : undefined
    },

    async build(call) {
      const client = await engine()
      const { project, app } = call.app
      const title = `${project}/${app}`
      const dockerfile = dockerfilePath(call.facts)
      const text = readDockerfile(call.facts, { dockerfile, title })
      await assertSpace(client, title)
      const repository = imageRepository(platformId, call.app)
      const tag = `${repository}:build-${randomBytes(6).toString('hex')}`
      const build: ImageBuild = { call, engine: client, dockerfile, tag, title }

      const hasBuildx = await findBuildx()
      if (!hasBuildx) assertBuildable({ title, dockerfile, text })
      try {
        await (hasBuildx ? buildWithBuildx(build) : buildWithEngine(build, dockerfileNeeds(text)))
        return await keep(build, repository)
      } finally {
        await client.docker.getImage(tag).remove({ noprune: true }).catch(() => {})
      }
    },

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
      const { docker } = await engine()
      signal.throwIfAborted()
      // By its tag, so that an image which something else uses too stays.
      const image = await orAbsent(docker.getImage(location).inspect())
      if (image?.Id !== digest) return
      await orAbsent(docker.getImage(location).remove()).catch((error: unknown) => {
        throw engineError(error, `The image ${location}`)
      })
    },
  }
}

/** The image under its lasting name, which its own digest is part of. */
async function keep({ engine: { docker }, tag, title }: ImageBuild, repository: string): Promise<ArtifactReference> {
  const image = await docker.getImage(tag).inspect().catch((error: unknown) => {
    throw engineError(error, `The image of ${title}`)
  })
  const version = image.Id.replace('sha256:', '').slice(0, 12)
  await docker.getImage(image.Id).tag({ repo: repository, tag: version })
  const ports = Object.keys(image.Config.ExposedPorts ?? {}).filter((port) => !port.endsWith('/udp')).map((port) => Number.parseInt(port, 10))
  const command = [...asList(image.Config.Entrypoint), ...asList(image.Config.Cmd)]
  return { digest: image.Id, type: 'image', location: `${repository}:${version}`, ports, ...(command.length > 0 ? { command } : {}) }
}

export const dockerfilePath = ({ build }: SourceFacts): string => posix.normalize(build ?? 'Dockerfile')

function readDockerfile(facts: SourceFacts, { dockerfile, title }: { dockerfile: string; title: string }): string {
  const text = facts.files.includes(dockerfile) ? facts.text(dockerfile) : undefined
  if (text !== undefined) return text
  throw new PilotError('SOURCE_UNREADABLE', `The source of ${title} holds no ${dockerfile}`, {
    reason: `\`build: ${facts.build ?? 'Dockerfile'}\` of the manifest is relative to the app's source.`,
    suggestion: 'Correct `build:` in pilot.yaml, and check that .dockerignore and .gitignore leave the file in.',
  })
}

function assertBuildable({ title, dockerfile, text }: { title: string; dockerfile: string; text: string }): void {
  const { lacks } = dockerfileNeeds(text)
  const [first] = lacks
  if (!first) return
  throw new PilotError('BUILDER_LACKS', `${dockerfile} of ${title} needs buildx: line ${first.line} has ${first.feature}`, {
    reason: `The Docker engine's own builder does not know ${[...new Set(lacks.map(({ feature, line }) => `${feature} (line ${line})`))].join(', ')}.`,
    details: { lacks },
  })
}

async function assertSpace({ rootDirectory }: Engine, title: string): Promise<void> {
  const disk = await statfs(rootDirectory).catch(() => undefined)
  if (!disk || disk.bavail * disk.bsize >= leastFreeBytes) return
  throw new PilotError('DISK_FULL', `Too little free space to build ${title}`, {
    reason: `${Math.round((disk.bavail * disk.bsize) / 1024 ** 2)} MB are free where Docker keeps its images (${rootDirectory}).`,
    suggestion: 'Free some space, for example with `docker builder prune` and `docker image prune`.',
  })
}

const asList = (value: string | readonly string[] | undefined | null): readonly string[] => (value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value)
