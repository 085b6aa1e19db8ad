import { stripVTControlCharacters } from 'node:util'
import { PilotError } from '@pilot/core'

const keptLines = 20

/** What buildx puts before each line in its plain form: the number of the step, and the time that it took so far. */
const stepNumber = /^#\d+ (?:\d+\.\d+ )?/

/** A longer line goes on as several: one without an end may be all that a build prints. */
const longestLine = 16 * 1024

// C0 but tab, DEL, C1.
const control = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g

/**
 * Passes lines on and keeps the last ones for the error. Chunks may end anywhere. Nothing passes that a terminal would obey, and
 * of a line that was written over and over (a progress bar) the last state does.
 */
export function createBuildOutput(log: (line: string) => void): { write(text: string): void; end(): void; readonly last: readonly string[] } {
  const last: string[] = []
  let rest = ''
  const emit = (line: string): void => {
    const shown = line.replace(/\r+$/, '')
    const clean = stripVTControlCharacters(shown.slice(shown.lastIndexOf('\r') + 1)).replace(control, '').replace(stepNumber, '').trimEnd()
    if (clean === '') return
    last.push(clean)
    if (last.length > keptLines) last.shift()
    log(clean)
  }
  const add = (text: string): void => {
    let from = 0
    for (; rest.length + text.length - from > longestLine; from += longestLine - rest.length, rest = '') emit(rest + text.slice(from, from + longestLine - rest.length))
    rest += text.slice(from)
  }
  return {
    last,
    write(text) {
      const lines = text.split('\n')
      for (const [index, line] of lines.entries()) {
        add(line)
        if (index === lines.length - 1) continue
        emit(rest)
        rest = ''
      }
    },
    end() {
      if (rest) emit(rest)
      rest = ''
    },
  }
}

/** Why an image build failed, from what builder and output say. */
export function imageBuildError({ title, text, log, cause }: { title: string; text: string; log: readonly string[]; cause?: unknown }): PilotError {
  const all = [text, ...log].join('\n')
  const details = { log }
  const image = baseImage(all)
  if (image?.startsWith('docker/dockerfile')) {
    return new PilotError('BUILD_FAILED', `${title}: the language of its Dockerfile cannot be had: ${image}`, {
      reason: firstLine(text),
      suggestion: 'This machine does not reach the registry that the `# syntax=` line of the Dockerfile names. Most Dockerfiles do without that line: remove it.',
      details: { ...details, image },
      cause,
    })
  }
  if (image) {
    return new PilotError('BUILD_FAILED', `${title}: the base image ${image} cannot be had`, {
      reason: firstLine(text),
      suggestion: 'Check its name and tag, that this machine reaches the registry, and `docker login` if it is private.',
      details: { ...details, image },
      cause,
    })
  }
  if (/no space left on device/i.test(all)) return new PilotError('DISK_FULL', `${title}: the disk is full`, { reason: firstLine(text), suggestion: 'Free some space, for example with `docker builder prune` and `docker image prune`.', details, cause })
  const code = /returned a non-zero code: (\d+)|exit code: (\d+)/.exec(all)
  const exitCode = code ? Number(code[1] ?? code[2]) : undefined
  return new PilotError('BUILD_FAILED', `The build of ${title} failed`, {
    reason: exitCode === undefined ? firstLine(text) : `exit code ${exitCode}: ${commandOf(all) ?? firstLine(text)}`,
    details: { ...details, ...(exitCode === undefined ? {} : { exitCode }) },
    cause,
  })
}

/** The image that could not be pulled, in the words of the engine, of BuildKit and of registries. */
function baseImage(text: string): string | undefined {
  const patterns = [
    /pull access denied for ([^\s,]+)/,
    /manifest for (\S+) not found/,
    /failed to resolve source metadata for (\S+?):? /,
    /Error response from daemon: (\S+): not found/,
  ]
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1]
    if (found) return found.replace(/^docker\.io\/(library\/)?/, '').replace(/:$/, '')
  }
  const registry = /(?:Get|Head) "?https?:\/\/([^/"]+)\/v2\/(?:([^"\s]+)\/manifests\/([^"\s]+))?"?: /.exec(text)
  if (!registry) return undefined
  const [, host, name, version] = registry
  if (name) return `${name.replace(/^library\//, '')}${version?.startsWith('sha256:') ? '@' : ':'}${version}`
  return /Step \d+\/\d+ : FROM (?:--platform=\S+ )?(\S+)/.exec(text)?.[1] ?? `of ${host}`
}

const commandOf = (text: string): string | undefined => /The command '(?:\/bin\/sh -c )?([^']+)' returned|process "(?:\/bin\/sh -c )?([^"]+)" did not complete/.exec(text)?.slice(1).find(Boolean)
const firstLine = (text: string): string => text.trim().split('\n').find((line) => line.trim() !== '') ?? 'no reason given'
