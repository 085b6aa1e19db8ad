import { PilotError } from '@pilot/core'

/** Statuses of the lifecycle that pack passes on: https://github.com/buildpacks/spec/blob/main/platform.md */
const nothingFits = [20, 21, 22]
const buildpackFailed = [50, 51, 52, 53]

interface Failure {
  readonly title: string
  readonly builder: string
  /** The last lines that it said. */
  readonly log: readonly string[]
}

/** Why a build with pack failed: pack itself ends with 1, whatever it was, and says the rest in words. */
export function packError({ title, builder, log }: Failure): PilotError {
  const said = log.join('\n')
  const status = Number(/failed with status code: (\d+)/.exec(said)?.[1] ?? Number.NaN)
  const reason = log.findLast((line) => line.startsWith('ERROR: '))?.replace(/^ERROR: (?:failed to build: )?/, '') ?? log.at(-1) ?? 'pack says nothing'
  const details = { log, ...(Number.isNaN(status) ? {} : { exitCode: status }) }

  if (nothingFits.includes(status)) {
    return new PilotError('BUILD_FAILED', `No buildpack of ${builder} fits the source of ${title}`, {
      reason: status === 20 ? 'Each of them looked at it and found nothing that it builds.' : 'Some of them failed while they looked at it.',
      suggestion: 'Check `source:`, and that .gitignore and .pilotignore leave in what buildpacks look for (package.json, requirements.txt, go.mod, …); or name others: `build: { builder: IMAGE }`, `build: { buildpacks: [ID] }`.',
      details,
    })
  }
  if (buildpackFailed.includes(status)) return new PilotError('BUILD_FAILED', `A buildpack failed to build ${title}`, { reason, details })
  const [, image] = /(?:failed to fetch (?:builder|run) image|unable to fetch lifecycle image|image) '([^']+)'.*(?:does not exist|not found|no such host|denied|unauthorized|timeout|refused)/is.exec(said) ?? []
  if (image !== undefined && image.includes('buildpacksio/lifecycle')) {
    return new PilotError('IMAGE_UNAVAILABLE', `${title}: the image ${short(image)} cannot be had, which builds apart from a builder that is not trusted`, {
      reason,
      suggestion: `Check that this machine reaches the registry. When you trust ${builder}, with the Docker engine of this machine: \`pack config trusted-builders add ${builder}\`.`,
      details: { ...details, image },
    })
  }
  if (image !== undefined) {
    return new PilotError('IMAGE_UNAVAILABLE', `${title}: the image ${short(image)} of the buildpacks cannot be had`, {
      reason,
      suggestion: 'It is neither on this machine nor to be pulled: check its name, that this machine reaches the registry, and `docker login` if it is private.',
      details: { ...details, image },
    })
  }
  if (/no space left on device/i.test(said)) return new PilotError('DISK_FULL', `${title}: the disk is full`, { reason, suggestion: 'Free some space, for example with `docker image prune` and `docker volume prune`.', details })
  return new PilotError('BUILD_FAILED', `The build of ${title} failed`, { reason, details })
}

const short = (image: string): string => image.replace(/^(?:index\.)?docker\.io\/(?:library\/)?/, '')
