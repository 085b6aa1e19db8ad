import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError } from '@pilot/core/errors'
import type { Environment } from '../cli/terminal.ts'
import { homeFolder } from './home.ts'

/** The log of one process of the home. Throws NOT_FOUND with the names that there are. */
export async function logFileOf(env: Environment, name: string): Promise<string> {
  const { listServices, openHome } = await import('@pilot/host')
  const home = await openHome(homeFolder(env))
  const names = ['supervisor', 'server', ...listServices(home).map((service) => service.name)]
  if (!names.includes(name)) throw new PilotError('NOT_FOUND', `Nothing of this home is called ${name}.`, { suggestion: `There is ${[...new Set(names)].join(', ')}.` })
  return join(home.paths.logs, `${name}.log`)
}

/** The last lines of a file, and with `follow` those that are added, also after the file was emptied. A missing file has no lines. */
export async function* readLogFile({ file, lines, follow, signal }: { file: string; lines: number; follow: boolean; signal: AbortSignal }): AsyncGenerator<string> {
  let { text, offset } = await readFrom(file, Math.max(0, (await sizeOf(file)) - 256 * 1024))
  const complete = text.split('\n')
  let rest = complete.pop()!
  yield* complete.slice(lines === 0 ? complete.length : -lines)
  while (follow && !signal.aborted) {
    await sleep(250, undefined, { signal }).catch(() => {})
    if ((await sizeOf(file)) < offset) offset = 0
    ;({ text, offset } = await readFrom(file, offset))
    const added = (rest + text).split('\n')
    rest = added.pop()!
    yield* added
  }
  if (rest !== '' && !follow) yield rest
}

async function readFrom(file: string, offset: number): Promise<{ text: string; offset: number }> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return { text: '', offset: 0 }
  await using _closed = handle
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.max(0, size - offset))
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
  return { text: buffer.subarray(0, bytesRead).toString('utf8'), offset: offset + bytesRead }
}

const sizeOf = async (file: string): Promise<number> => (await stat(file).catch(() => undefined))?.size ?? 0
