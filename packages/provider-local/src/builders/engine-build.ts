import type { ImageBuild } from './image-build.ts'
import type { DockerfileNeeds } from './dockerfile-needs.ts'
import { createBuildOutput, imageBuildError } from './build-output.ts'
import { registryCredentials } from '../engine/credentials.ts'
import { engineError } from '../engine/errors.ts'

interface BuildMessage {
  readonly stream?: string
  readonly status?: string
  readonly progress?: string
  readonly id?: string
  readonly error?: string
  readonly errorDetail?: { readonly code?: number; readonly message: string }
}

/** A step of a build may use this share of the machine's memory, so that it ends before the machine does. */
const memoryShare = 0.75

/** Builds with the engine's own builder: its output is plain text, and closing the connection ends the build. */
export async function buildWithEngine({ call, engine, dockerfile, tag, title }: ImageBuild, { platformArguments }: DockerfileNeeds): Promise<void> {
  const { signal, log } = call
  signal.throwIfAborted()
  const output = createBuildOutput(log)
  const memory = Math.round(engine.memoryBytes * memoryShare)
  const response = await engine.docker
    .buildImage(await call.openSource(), {
      t: tag,
      dockerfile,
      rm: true,
      forcerm: true,
      buildargs: { ...platformValues(platformArguments), ...call.args },
      memory,
      memswap: memory,
      registryconfig: await registryCredentials(),
      abortSignal: signal,
    })
    .catch((error: unknown) => {
      signal.throwIfAborted()
      throw 'statusCode' in (error as object) ? imageBuildError({ title, text: (error as { json?: { message?: string } }).json?.message ?? String(error), log: output.last, cause: error }) : engineError(error, `The build of ${title}`)
    })
  const stop = (): void => void (response as { destroy?: () => void }).destroy?.()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const failure = await follow(response, output)
    signal.throwIfAborted()
    if (failure !== undefined) throw imageBuildError({ title, text: failure, log: output.last })
  } catch (error) {
    signal.throwIfAborted()
    throw engineError(error, `The build of ${title}`)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Reads messages, one JSON document per line, to the end; returns the error that the last one tells. */
async function follow(response: NodeJS.ReadableStream, output: ReturnType<typeof createBuildOutput>): Promise<string | undefined> {
  let rest = ''
  let failure: string | undefined
  response.setEncoding('utf8')
  for await (const chunk of response) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) failure = show(line, output) ?? failure
  }
  failure = show(rest, output) ?? failure
  output.end()
  return failure
}

function show(line: string, output: ReturnType<typeof createBuildOutput>): string | undefined {
  if (line.trim() === '') return undefined
  const message = JSON.parse(line) as BuildMessage
  if (message.stream) output.write(message.stream)
  else if (message.status && !message.progress) output.write(`${message.id ? `${message.id}: ` : ''}${message.status}\n`)
  const failure = message.errorDetail?.message ?? message.error
  if (failure !== undefined) output.end()
  return failure
}

/** The values that BuildKit gives by itself; an engine on this machine builds for this machine. */
function platformValues(names: readonly string[]): Record<string, string> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const values: Record<string, string> = { OS: 'linux', ARCH: architecture, PLATFORM: `linux/${architecture}`, VARIANT: '' }
  return Object.fromEntries(names.map((name) => [name, values[name.replace(/^(BUILD|TARGET)/, '')]!]))
}
