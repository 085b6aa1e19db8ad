import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import { readJson, removeFile, replaceJson, type Home } from '@pilot/host'
import * as z from 'zod'
import { assertOurs } from '../ownership.ts'
import { listMarked, markOf, type Marked } from './marks.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** Whose it is: the user that the app's processes run as; null: the user of the home. */
  uid: z.number().nullable(),
  gid: z.number().nullable(),
})
const outputs = z.object({ folder: z.string() })

export const volumesFolder = (home: Home): string => join(home.paths.reachable, 'volumes')

/** A folder of the home that outlives processes: data. Its owner is kept with it: the number of a user that is gone may be given to another one. */
export function processVolumeKind(home: Home): AnyKind {
  const folderOf = (id: string): string => join(volumesFolder(home), id)
  const marks = join(home.paths.dir, 'volume-marks')
  const markFile = (id: string): string => join(marks, `${id}.json`)

  return defineKind({
    kind: 'local/process-volume',
    version: 1,
    inputs,
    outputs,
    // The account is made once and kept with the volume.
    fields: { ignored: ['uid', 'gid'] },
    identity: 'name',
    consistencyMs: 0,
    protect: true,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [],

    async create({ owner, name, inputs: { uid, gid }, checkpoint }) {
      const found = await readJson<Marked>(markFile(name))
      if (found) assertOurs({ found: found.owner ?? {}, owner, title: `The volume ${name}` })
      await checkpoint()
      await mkdir(marks, { recursive: true, mode: 0o700 })
      replaceJson(markFile(name), { owner: markOf(owner) }, { durable: true })
      await mkdir(volumesFolder(home), { recursive: true })
      await chmod(volumesFolder(home), uid === null ? 0o700 : 0o711)
      await mkdir(folderOf(name), { recursive: true, mode: 0o700 })
      if (uid !== null && gid !== null) await chown(folderOf(name), uid, gid)
      return { id: name }
    },
    async settle({ id }) {
      return (await isThere(folderOf(id))) ? { status: 'ready', outputs: { folder: folderOf(id) } } : { status: 'failed', reason: `The folder ${folderOf(id)} is gone` }
    },
    async read({ id }) {
      return (await readJson<Marked>(markFile(id))) && (await isThere(folderOf(id))) ? { inputs: {}, outputs: { folder: folderOf(id) } } : undefined
    },
    async list({ platformId }) {
      const listed = await listMarked({ folder: marks, platformId, title: (id) => `volume ${folderOf(id)}` })
      return listed.map((each) => ({ ...each, inUse: true }))
    },
    async delete({ id, checkpoint }) {
      await checkpoint()
      await removeFolder(folderOf(id))
      removeFile(markFile(id))
      return {}
    },
  })
}

const isThere = (folder: string): Promise<boolean> => stat(folder).then((found) => found.isDirectory(), () => false)

/** As the user who owns it: what root deletes below a folder that somebody else can change lies wherever that one has put a link meanwhile. */
async function removeFolder(folder: string): Promise<void> {
  const owner = await stat(folder).catch(() => undefined)
  if (!owner) return
  const asOwner = process.getuid?.() === 0 && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : {}
  const said = await promisify(execFile)('/bin/rm', ['-rf', '--', folder], asOwner).then(() => '', (error: Error & { stderr?: string }) => error.stderr ?? error.message)
  try {
    await rmdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new PilotError('BLOCKED', `The folder ${folder} could not be emptied`, { reason: said.trim().split('\n')[0] ?? '', suggestion: 'Remove what is left in it by hand.', cause: error })
  }
}
