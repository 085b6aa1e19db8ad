import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PilotError } from '@pilot/core'
import type { EngineAddress } from '../engine/find-engine.ts'
import { createBuildOutput, imageBuildError } from './build-output.ts'
import type { ImageBuild } from './image-build.ts'

/** Read when a command is run: a server whose engine builds needs 3 MiB less. */
const runner = () => import('execa')

let found: Promise<boolean> | undefined

/**
 * Whether `docker buildx` is installed: a file that the docker command would take for it, and that answers. Looking for the
 * file first saves starting the command where there is none. What was found is remembered.
 */
export async function findBuildx(): Promise<boolean> {
  const isThere = await (found ??= askBuildx())
  if (!isThere) found = undefined
  return isThere
}

async function askBuildx(): Promise<boolean> {
  const config = process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker')
  const more = await readFile(join(config, 'config.json'), 'utf8').then((text) => (JSON.parse(text) as { cliPluginsExtraDirs?: string[] }).cliPluginsExtraDirs ?? [], () => [])
  const folders = [join(config, 'cli-plugins'), ...more, ...['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec', '/opt/homebrew/lib'].map((folder) => join(folder, 'docker/cli-plugins'))]
  if (!folders.some((folder) => existsSync(join(folder, 'docker-buildx')))) return false
  const { execa } = await runner()
  return execa('docker', ['buildx', 'version'], { timeout: 10_000, stdin: 'ignore' }).then(
    () => true,
    () => false,
  )
}

/** Builds with the user's own buildx: their builder, their cache, their logins. The source goes in as a tar stream, unpacked nowhere. */
export async function buildWithBuildx({ call, engine, dockerfile, tag, title }: ImageBuild): Promise<void> {
  const { signal, log } = call
  const output = createBuildOutput(log)
  const source = await call.openSource()
  const list = (flag: string, values: Readonly<Record<string, string>>): string[] => Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`])
  const { execa, ExecaError } = await runner()
  const build = execa('docker', ['buildx', 'build', '--load', '--progress=plain', '--provenance=false', '-f', dockerfile, '-t', tag, ...list('--build-arg', call.args), '-'], {
    stdin: 'pipe',
    env: environment(engine.address),
    extendEnv: false,
    cancelSignal: signal,
    forceKillAfterDelay: 5_000,
    buffer: false,
    all: true,
  })
  // The source may be a stream of another make than Node's, which execa does not take. A builder that ends early closes its input.
  build.stdin.on('error', () => {})
  source.on('error', (error) => build.kill(error))
  source.pipe(build.stdin)
  build.all.setEncoding('utf8').on('data', (text: string) => output.write(text))
  try {
    await build
  } catch (error) {
    signal.throwIfAborted()
    output.end()
    if (error instanceof ExecaError && error.code === 'ENOENT') throw new PilotError('BUILD_FAILED', `The build of ${title} failed`, { reason: 'The docker command is gone.', cause: error })
    const failure = output.last.findLast((line) => line.startsWith('ERROR: ')) ?? output.last.at(-1) ?? 'buildx failed'
    throw imageBuildError({ title, text: failure, log: output.last })
  }
}

/** The user's own environment without what belongs to Pilot; pointed at the engine that we found where the command would look elsewhere. */
function environment({ via, url }: EngineAddress): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('PILOT_'))
  const saysSo = via === 'DOCKER_HOST' || via.startsWith('the context') || via === 'the default socket'
  return { ...Object.fromEntries(own), ...(saysSo ? {} : { DOCKER_HOST: url }) }
}
