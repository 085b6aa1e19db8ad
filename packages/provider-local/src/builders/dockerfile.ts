import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { PilotError, type Builder, type SourceFacts } from '@pilot/core'
import type { Engine } from '../engine/engine.ts'
import { imageRepository } from '../ownership.ts'
import { buildWithBuildx, findBuildx } from './buildx.ts'
import { dockerfileNeeds } from './dockerfile-needs.ts'
import { buildWithEngine } from './engine-build.ts'
import type { ImageBuild } from './image-build.ts'
import { assertSpaceForImage, keepImage, keptImages } from './kept-image.ts'

/** Builds an image from a Dockerfile: with `docker buildx` where it is installed, else through the engine's API. */
export function dockerfileBuilder({ engine, platformId }: { engine: () => Promise<Engine>; platformId: string }): Builder {
  return {
    name: 'dockerfile',
    target: 'container',

    fits(facts) {
      if (facts.build === 'buildpack' || facts.image !== undefined) return undefined
      if (facts.build) return { reason: `the manifest names ${facts.build}` }
      return facts.files.includes('Dockerfile') ? { reason: 'there is a Dockerfile' } : undefined
    },

    async build(call) {
      const client = await engine()
      const { project, app } = call.app
      const title = `${project}/${app}`
      const dockerfile = dockerfilePath(call.facts)
      const text = readDockerfile(call.facts, { dockerfile, title })
      await assertSpaceForImage(client, title)
      const repository = imageRepository(platformId, call.app)
      const tag = `${repository}:build-${randomBytes(6).toString('hex')}`
      const build: ImageBuild = { call, engine: client, dockerfile, tag, title }

      const hasBuildx = await findBuildx()
      if (!hasBuildx) assertBuildable({ title, dockerfile, text })
      try {
        await (hasBuildx ? buildWithBuildx(build) : buildWithEngine(build, dockerfileNeeds(text)))
        return await keepImage({ engine: client, image: tag, repository, title })
      } finally {
        await client.docker.getImage(tag).remove({ noprune: true }).catch(() => {})
      }
    },

    ...keptImages(engine),
  }
}

const dockerfilePath = ({ build }: SourceFacts): string => posix.normalize(build ?? 'Dockerfile')

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
