import { execa, ExecaError } from 'execa'
import { PilotError } from '@pilot/core'
import type { EngineAddress } from '../engine/find-engine.ts'
import { createBuildOutput, imageBuildError } from './build-output.ts'
import type { ImageBuild } from './dockerfile.ts'

let found: Promise<boolean> | undefined

/** Whether `docker buildx` is installed. Asked once per process when it is there, again when it is not. */
export function findBuildx(): Promise<boolean> {
  found ??= execa('docker', ['buildx', 'version'], { timeout: 10_000, stdin: 'ignore' }).then(
    () => true,
    () => false,
  )
  const answer = found
  void answer.then((isThere) => {
    if (!isThere) found = undefined
  })
  return answer
}

/** Builds with the user's own buildx: their builder, their cache, their logins. The source goes in as a tar stream, unpacked nowhere. */
export async function buildWithBuildx({ call, engine, dockerfile, tag, labels, title }: ImageBuild): Promise<void> {
  const { signal, log } = call
  const output = createBuildOutput(log)
  const list = (flag: string, values: Readonly<Record<string, string>>): string[] => Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`])
  const build = execa('docker', ['buildx', 'build', '--load', '--progress=plain', '--provenance=false', '-f', dockerfile, '-t', tag, ...list('--label', labels), ...list('--build-arg', call.args), '-'], {
    input: await call.openSource() as never,
    env: environment(engine.address),
    extendEnv: false,
    cancelSignal: signal,
    forceKillAfterDelay: 5_000,
    buffer: false,
    all: true,
  })
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
