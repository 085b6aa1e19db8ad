import { PilotError } from '@pilot/core'
import type Docker from 'dockerode'
import { posix } from 'node:path'
import { extract, pack } from 'tar-stream'
import * as z from 'zod'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'

/** Volumes of a container: the engine's name of each, and where it is inside. */
export const mountedVolumes = z.array(z.object({ source: z.string(), path: z.string() })).optional()
export type MountedVolumes = z.output<typeof mountedVolumes>

export const mountsOf = (volumes: MountedVolumes): { Mounts?: Docker.MountSettings[] } =>
  volumes && volumes.length > 0 ? { Mounts: volumes.map(({ source, path }) => ({ Type: 'volume' as const, Source: source, Target: path })) } : {}

/** The engine would make a missing volume by itself, empty and without our marks. */
export async function assertVolumes(engine: Engine, volumes: MountedVolumes): Promise<void> {
  for (const { source } of volumes ?? []) {
    if (!(await inspectVolume(engine, source))) throw new PilotError('RESOURCE_FAILED', `The Docker volume ${source} is gone`, { suggestion: '`up` makes an empty one.' })
  }
}

/**
 * An empty volume gets what the image has at that path, with its owner. Where the image has nothing, the folder is root's, and an image that
 * runs as another user could not write to it: then, and only while it is root's, the folder itself is given to that user. Through the
 * engine's archives, before the container starts: that needs no program in the image.
 */
export async function giveVolumes({ docker }: Engine, { id, volumes }: { readonly id: string; readonly volumes: MountedVolumes }): Promise<void> {
  if (!volumes || volumes.length === 0) return
  const container = docker.getContainer(id)
  try {
    const { Config } = await container.inspect()
    const user = await userOf(container, Config.User)
    if (user.uid === 0) return
    for (const { path } of volumes) {
      const folder = await firstEntry(container, path)
      if (folder === undefined || folder.uid !== 0) continue
      const tar = pack()
      tar.entry({ name: `${posix.basename(path)}/`, type: 'directory', mode: folder.mode ?? 0o755, uid: user.uid, gid: user.gid })
      tar.finalize()
      await container.putArchive(tar as unknown as NodeJS.ReadableStream, { path: posix.dirname(path) })
    }
  } catch (error) {
    throw engineError(error, `The volumes of the container ${id.slice(0, 12)}`)
  }
}

/** USER of an image: a name or number, with or without a group; names as its own /etc/passwd and /etc/group have them. */
async function userOf(container: Docker.Container, written: string): Promise<{ uid: number; gid: number }> {
  const [user = '', group] = written.split(':')
  if (user === '' || user === 'root' || user === '0') return { uid: 0, gid: 0 }
  const byName = async (file: string, name: string): Promise<string[] | undefined> => (await textFile(container, file)).split('\n').map((line) => line.split(':')).find((fields) => fields[0] === name || fields[2] === name)
  const account = await byName('/etc/passwd', user)
  const uid = /^\d+$/.test(user) ? Number(user) : Number(account?.[2])
  const gid = group === undefined ? Number(account?.[3] ?? 0) : /^\d+$/.test(group) ? Number(group) : Number((await byName('/etc/group', group))?.[2])
  // A name that the image does not know: the engine will say so when it starts the container.
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : { uid: 0, gid: 0 }
}

/** An image may have anything there: a folder, or more than anybody's accounts. */
const longestFile = 1024 ** 2

async function textFile(container: Docker.Container, path: string): Promise<string> {
  const stream = await orAbsent(container.getArchive({ path }))
  if (!stream) return ''
  const entries = stream.pipe(extract())
  try {
    for await (const entry of entries) {
      if (entry.header.type !== 'file' || (entry.header.size ?? 0) > longestFile) return ''
      let text = ''
      for await (const chunk of entry) text += String(chunk)
      return text
    }
    return ''
  } finally {
    entries.destroy()
    ;(stream as NodeJS.ReadableStream & { destroy(): void }).destroy()
  }
}

/** Of what the engine packs of a folder, the folder itself comes first; the rest is not read. */
async function firstEntry(container: Docker.Container, path: string): Promise<{ readonly uid?: number; readonly mode?: number } | undefined> {
  const stream = await orAbsent(container.getArchive({ path }))
  if (!stream) return undefined
  const entries = stream.pipe(extract())
  try {
    for await (const { header } of entries) return header
    return undefined
  } finally {
    entries.destroy()
    ;(stream as NodeJS.ReadableStream & { destroy(): void }).destroy()
  }
}

export async function inspectVolume({ docker }: Engine, name: string): Promise<{ readonly Labels?: Readonly<Record<string, string>> } | undefined> {
  try {
    return await orAbsent(docker.getVolume(name).inspect())
  } catch (error) {
    throw engineError(error, `The Docker volume ${name}`)
  }
}
