import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { defineKind, PilotError, type AnyKind, type Ownership } from '@pilot/core'
import { endAllOf, findUser, readJson, removeFile, replaceJson, type Home } from '@pilot/host'
import * as z from 'zod'
import { forgetEndedLogs } from '../compute/ended-logs.ts'
import { assertOurs, ownerOfText, ownerText, userName } from '../ownership.ts'
import { listMarked, markOf, type Marked } from './marks.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** Whether to make a system user: only root can, and only on Linux. Else the processes run as the user of the home. */
  system: z.boolean(),
})
const outputs = z.object({
  /** HOME of the app's processes; its `tmp` is their TMPDIR. */
  folder: z.string(),
  uid: z.number().nullable(),
  gid: z.number().nullable(),
})

type Outputs = z.output<typeof outputs>

/** What a folder's mark file says beside the owner. */
interface Account extends Marked {
  readonly system: boolean
}

/** Whom an app's processes run as: as root a system user of the app's own, always a folder that is its HOME. */
export function appUserKind(home: Home): AnyKind {
  const folderOf = (id: string): string => join(home.paths.reachable, 'apps', id)
  const markFile = (id: string): string => join(home.paths.dir, 'accounts', `${id}.json`)

  const outputsOf = async (id: string, { system }: Account): Promise<Outputs | undefined> => {
    const user = system ? await findUser(id) : undefined
    return system && !user ? undefined : { folder: folderOf(id), uid: user?.uid ?? null, gid: user?.gid ?? null }
  }

  return defineKind({
    kind: 'local/app-user',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['system'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home', 'as root: useradd and userdel'],
    cost: freeOfCharge,
    exposure: () => [],

    async create({ owner, name, inputs: { system }, checkpoint }) {
      const id = userName(name)
      const found = await readJson<Account>(markFile(id))
      if (found) assertOurs({ found: found.owner ?? {}, owner, title: `The account ${id}` })
      await checkpoint()
      await mkdir(join(home.paths.dir, 'accounts'), { recursive: true, mode: 0o700 })
      const account: Account = { system, owner: markOf(owner) }
      replaceJson(markFile(id), account, { durable: true })
      if (system) await ensureUser({ id, owner, folder: folderOf(id) })
      await makeFolder(folderOf(id), system ? await findUser(id) : undefined)
      return { id }
    },
    async settle({ id, inputs }) {
      const outputs = await outputsOf(id, inputs)
      return outputs ? { status: 'ready', outputs } : { status: 'failed', reason: `The system user ${id} is gone` }
    },
    async read({ id }) {
      const account = await readJson<Account>(markFile(id))
      const outputs = account && (await outputsOf(id, account))
      return account && outputs && { inputs: { system: account.system }, outputs }
    },
    list: ({ platformId }) => listMarked({ folder: join(home.paths.dir, 'accounts'), platformId, title: (id) => `account ${id}` }),
    async delete({ id, owner, checkpoint }) {
      await checkpoint()
      const user = await findUser(id)
      if (user && ownerOfText(await commentOf(id)).platformId !== undefined) {
        // What left its service behind, which userdel would take for a reason to refuse.
        await endAllOf(user)
        await removeUser(id)
      }
      await rm(folderOf(id), { recursive: true, force: true })
      removeFile(markFile(id))
      await forgetEndedLogs(home, owner)
      return {}
    },
  })
}

async function ensureUser({ id, owner, folder }: { id: string; owner: Ownership; folder: string }): Promise<void> {
  if (await findUser(id)) return assertOurs({ found: ownerOfText(await commentOf(id)), owner, title: `The system user ${id}` })
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--home-dir', folder, '--shell', '/usr/sbin/nologin', '--comment', ownerText(owner), id])
  } catch (error) {
    if (await findUser(id)) return
    throw new PilotError('RESOURCE_FAILED', `The system user ${id} could not be made`, { reason: reasonOf(error), suggestion: 'Check that useradd works on this machine, or run Pilot as an ordinary user.', cause: error })
  }
}

async function removeUser(id: string): Promise<void> {
  try {
    await run('userdel', [id])
  } catch (error) {
    if (!(await findUser(id))) return
    const reason = reasonOf(error)
    if (/currently used by process/.test(reason)) throw new PilotError('BLOCKED', `The system user ${id} still runs something`, { reason, cause: error })
    throw new PilotError('RESOURCE_FAILED', `The system user ${id} could not be deleted`, { reason, cause: error })
  }
}

/** 0700 of the app's own user; the way there can be passed but not listed. */
async function makeFolder(folder: string, user: { uid: number; gid: number } | undefined): Promise<void> {
  const parent = join(folder, '..')
  await mkdir(parent, { recursive: true })
  await chmod(parent, user ? 0o711 : 0o700)
  for (const path of [folder, join(folder, 'tmp')]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    if (user) await chown(path, user.uid, user.gid)
    await chmod(path, 0o700)
  }
}

async function commentOf(id: string): Promise<string | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${id}:`))
  return line?.split(':')[4]
}

const run = promisify(execFile)
const reasonOf = (error: unknown): string => {
  const { stderr, message } = error as Error & { stderr?: string }
  return stderr?.trim() || message
}
