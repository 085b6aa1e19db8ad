import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError, type ArtifactReference, type BuildCall } from '@pilot/core'
import { tryFileLock, type FileLock, type Home } from '@pilot/host'
import tar from 'tar-fs'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText, orAbsent } from '../engine/errors.ts'
import { imageRepository } from '../ownership.ts'
import { createBuildOutput } from './build-output.ts'
import { assertSpaceForImage, keepImage } from './kept-image.ts'
import { builderOf, packArguments, packEnvironment } from './pack-command.ts'
import { packFolder, preparePackHome } from './pack-home.ts'
import { endAbandonedBuilds, endBuild, forgetBuildCaches, makeMark, newMark, type BuildMark } from './pack-marks.ts'
import { packError } from './pack-outcome.ts'
import { metadataLabel, processesOf } from './pack-processes.ts'
import { requirePack, type PackProgram } from './pack-program.ts'
import { readDescriptor } from './project-descriptor.ts'

interface PackBuild {
  readonly call: BuildCall
  readonly engine: Engine
  readonly home: Home
  readonly platformId: string
}

/** Builds an image with the user's own `pack`, of a copy of the source. However it ends, nothing of it is left but the app's caches. */
export async function buildWithPack(build: PackBuild): Promise<ArtifactReference> {
  const { call, engine, home, platformId } = build
  const title = `${call.app.project}/${call.app.app}`
  const pack = await requirePack(title)
  await assertSpaceForImage(engine, title)
  const repository = imageRepository(platformId, call.app)
  const lock = await takeTurn({ call, path: join(packFolder(home), 'locks', `${repository.replaceAll('/', '.')}.lock`) })
  try {
    await endAbandonedBuilds(engine, { home, platformId }).catch(engineFailed(title))
    const mark = newMark({ home, platformId, repository })
    try {
      await makeMark(engine, { platformId, mark }).catch(engineFailed(title))
      return await run({ ...build, title, pack, mark })
    } finally {
      // What cannot be tidied up now is found by the next build, and why this one failed says more than that.
      await endBuild(engine, mark, { isAlone: true })
        .then(() => forgetBuildCaches(engine, repository))
        .catch((error: unknown) => call.log(`Not all of the build could be removed: ${engineText(error)}`))
    }
  } finally {
    await lock.release()
  }
}

const engineFailed = (title: string) => (error: unknown): never => {
  throw engineError(error, `The build of ${title}`)
}

/** Two builds of an app share its caches, which take one at a time: its environments are built one after the other. */
async function takeTurn({ call: { signal, log }, path }: { call: BuildCall; path: string }): Promise<FileLock> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  for (let told = false; ; told = true) {
    signal.throwIfAborted()
    const lock = await tryFileLock(path)
    if (!('heldBy' in lock)) return lock
    if (!told) log('Another environment of this app is being built: waiting')
    await sleep(200)
  }
}

async function run({ call, engine, home, title, pack, mark }: PackBuild & { readonly title: string; readonly pack: PackProgram; readonly mark: BuildMark }): Promise<ArtifactReference> {
  const { signal, facts, log } = call
  const source = join(mark.folder, 'source')
  for (const folder of [source, join(mark.folder, 'tmp')]) await mkdir(folder, { recursive: true, mode: 0o700 })
  await pipeline(await call.openSource(), tar.extract(source, { chown: false } as tar.ExtractOptions), { signal })
  const written = await readFile(join(source, 'project.toml'), 'utf8').catch(() => undefined)
  const descriptor = written === undefined ? {} : readDescriptor(written, title)
  const settings = await preparePackHome(home)
  const builder = builderOf({ choice: facts.buildpacks, descriptor, settings })
  const image = `${mark.repository}:build-${mark.id}`
  const previous = await previousImage(engine, mark.repository)
  const { address } = engine
  const args = packArguments({ image, builder, buildpacks: facts.buildpacks?.buildpacks ?? [], args: call.args, settings, mark, ...(previous === undefined ? {} : { previous }), address, platform: process.platform })
  log(`pack ${pack.version} builds with ${builder}`)
  try {
    await runPack({ call, file: pack.file, args, env: packEnvironment({ own: process.env, settings, mark, address }), folder: source, title, builder })
    const kept = await keepImage({ engine, image, repository: mark.repository, title })
    const { command: entrypoint = [], ...artifact } = kept
    const { Config } = await engine.docker.getImage(image).inspect()
    const { offered, ...started } = processesOf({ label: Config.Labels?.[metadataLabel], entrypoint, facts })
    if (offered.length > 0) log(`The image also has the processes ${offered.join(', ')}: what of them is to run beside the app stands in \`processes:\` of pilot.yaml or in a Procfile.`)
    return { ...artifact, ...started }
  } finally {
    await engine.docker.getImage(image).remove({ noprune: true }).catch(() => {})
  }
}

/** The newest that buildpacks made of the app: they leave as they are those of its layers that would not change. */
async function previousImage({ docker }: Engine, repository: string): Promise<string | undefined> {
  const images = await docker.listImages({ filters: { reference: [repository], label: [metadataLabel] } })
  const kept = await Promise.all(images.map(async ({ Id, RepoTags }) => ({ name: RepoTags?.find((tag) => tag.startsWith(`${repository}:`)), at: lastTagged(await orAbsent(docker.getImage(Id).inspect())) })))
  return kept.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0]?.name
}

/** ISO 8601; the types of dockerode leave it out. */
const lastTagged = (image: unknown): string => (image as { readonly Metadata?: { readonly LastTagTime?: string } } | undefined)?.Metadata?.LastTagTime ?? ''

/** On SIGTERM it ends its container and tidies up. */
const endsWithinMs = 15_000

async function runPack({ call: { signal, log }, file, args, env, folder, title, builder }: { call: BuildCall; file: string; args: readonly string[]; env: Record<string, string>; folder: string; title: string; builder: string }): Promise<void> {
  signal.throwIfAborted()
  const output = createBuildOutput(log)
  const { execa } = await import('execa')
  const child = execa(file, args, { cwd: folder, env, extendEnv: false, stdin: 'ignore', all: true, buffer: false, reject: false, cancelSignal: signal, forceKillAfterDelay: endsWithinMs })
  child.all.setEncoding('utf8').on('data', (text: string) => output.write(text))
  const result = await child
  output.end()
  signal.throwIfAborted()
  if (!result.failed) return
  if (result.code === 'ENOENT') throw new PilotError('BUILD_FAILED', `The build of ${title} failed`, { reason: `${file} is gone.` })
  throw packError({ title, builder, log: output.last })
}
