import { parseImageReference, PilotError, type ArtifactReference, type BuildCall, type Builder, type ImageReference } from '@pilot/core'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'
import { imageRepository } from '../ownership.ts'
import { assertSpaceForImage, keepImage, keptImages } from './kept-image.ts'
import { pullImage } from './pull-image.ts'

/** Somebody else may take the name away between pulling and keeping: another build of the same image, which is done with it. */
const attempts = 3

/** Builds nothing: finds a finished image on this machine, else pulls it, and keeps it under a name of ours. */
export function imageBuilder({ engine, platformId }: { engine: () => Promise<Engine>; platformId: string }): Builder {
  return {
    name: 'image',
    target: 'container',
    fits: ({ image }) => (image === undefined ? undefined : { reason: `the image ${image}` }),
    moves: ({ image }) => image !== undefined && parseImageReference(image)?.digest === undefined,

    async build(call) {
      const client = await engine()
      const title = `${call.app.project}/${call.app.app}`
      const reference = parseImageReference(call.facts.image ?? '')
      if (!reference) throw new PilotError('USAGE', `"${call.facts.image}" of ${title} is no image`, { suggestion: 'Write a name such as redis:7 or ghcr.io/acme/auth@sha256:….' })
      const found: Sought = { call, engine: client, reference, image: shortName(reference), repository: imageRepository(platformId, call.app), title }
      return (await keepLocal(found)) ?? (await pullAndKeep(found))
    },

    ...keptImages(engine),
  }
}

interface Sought {
  readonly call: BuildCall
  readonly engine: Engine
  readonly reference: ImageReference
  /** As the engine knows it: with the digest alone where there is one, else with the tag. */
  readonly image: string
  readonly repository: string
  readonly title: string
}

export const shortName = ({ name, tag = 'latest', digest }: ImageReference): string => (digest === undefined ? `${name}:${tag}` : `${name}@${digest}`)

async function keepLocal({ call, engine, reference, image, repository, title }: Sought): Promise<ArtifactReference | undefined> {
  call.signal.throwIfAborted()
  const local = await orAbsent(engine.docker.getImage(image).inspect()).catch((error: unknown) => {
    throw engineError(error, `The image ${image}`)
  })
  if (!local) return undefined
  call.log(`${image} is on this machine: ${local.Id}`)
  return { ...(await keepImage({ engine, image: local.Id, repository, title })), ...originOf(reference, local.RepoDigests) }
}

async function pullAndKeep(sought: Sought): Promise<ArtifactReference> {
  const { call, engine, reference, image, title } = sought
  await assertSpaceForImage(engine, title)
  for (let attempt = 1; attempt <= attempts; attempt++) {
    await pullImage({ engine, reference, image, title, signal: call.signal, log: call.log })
    try {
      const kept = await keepLocal(sought)
      if (kept) return kept
    } finally {
      // Its name in the registry was not there before: left there, nobody would ever remove it.
      await engine.docker.getImage(image).remove({ noprune: true }).catch(() => {})
    }
  }
  throw new PilotError('IMAGE_UNAVAILABLE', `The image ${image} of ${title} is gone as soon as it is pulled`, { reason: 'Something on this machine removes it.', suggestion: 'Run the command again.' })
}

/** Where the same image is found again. An engine writes Docker Hub's names short, as people do. */
function originOf({ name }: ImageReference, repoDigests: readonly string[] | null | undefined): { readonly origin?: string } {
  const short = name.replace(/^docker\.io\/(?:library\/)?/, '')
  const origin = (repoDigests ?? []).find((each) => each.startsWith(`${short}@`))
  return origin === undefined ? {} : { origin }
}
