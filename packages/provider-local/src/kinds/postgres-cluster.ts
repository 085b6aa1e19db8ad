import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, isPilotError, type AnyKind, type PilotError } from '@pilot/core'
import { ensurePostgres, openCluster, releasePort, removeClusterData, removeFile, replaceJson, reservePort, stopPostgres, type Home } from '@pilot/host'
import * as z from 'zod'
import { asSuperuser, postgresMajor, superuserPassword } from '../postgres/apps-cluster.ts'
import { removeSharedFolders } from '../process/shared-folders.ts'
import { hasMarked, listMarked, markOf, readOwner } from './marks.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  major: z.number(),
  /** So that a cluster that does not answer counts as drift. */
  running: z.literal(true),
})
const outputs = z.object({ host: z.string(), port: z.number(), major: z.number() })

/** The PostgreSQL cluster of all apps of this home, apart from Pilot's own. The platforms of one home share it: the last one to go deletes it. */
export function postgresClusterKind(home: Home): AnyKind {
  const claims = join(home.paths.postgres, 'platforms')
  const claim = (platformId: string): string => join(claims, `${platformId}.json`)
  const outputsOf = async (): Promise<z.output<typeof outputs>> => ({ host: '127.0.0.1', port: await reservePort(home, 'postgres-apps'), major: postgresMajor })
  /** Brings it up, or goes on with that; what it still waits for after a while. */
  const start = async (): Promise<PilotError | undefined> => {
    try {
      await ensurePostgres(home, { name: 'apps', password: await superuserPassword(home), timeoutMs: lookMs })
    } catch (error) {
      if (isPilotError(error) && error.code === 'TIMED_OUT') return error
      throw error
    }
    await closeToPublic(home)
    return undefined
  }
  const stop = async (): Promise<PilotError | undefined> => {
    try {
      await stopPostgres(home, 'apps', { timeoutMs: lookMs })
      return undefined
    } catch (error) {
      if (isPilotError(error) && error.code === 'TIMED_OUT') return error
      throw error
    }
  }
  const removeData = async (): Promise<void> => {
    await removeClusterData(await openCluster(home, 'apps'))
    removeFile(join(home.paths.keys, 'postgres-apps.password'))
    await removeSharedFolders(home)
  }

  return defineKind({
    kind: 'local/postgres-cluster',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['major'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    protect: true,
    settleTimeoutMs: 180_000,
    permissions: ['the folder of this home', 'as root: a system user for PostgreSQL'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'PostgreSQL, on a port of 127.0.0.1 and a unix socket', to: 'machine' }],

    async create({ owner, checkpoint }) {
      await checkpoint()
      await mkdir(claims, { recursive: true })
      replaceJson(claim(owner.platformId), { owner: markOf(owner) }, { durable: true })
      return { id: owner.platformId }
    },
    // Made and started here, look by look, since a slow disk takes its time for either.
    async settle({ checkpoint }) {
      await checkpoint()
      const problem = await start()
      return problem === undefined ? { status: 'ready', outputs: await outputsOf() } : { status: 'pending', message: whatIsKnown(problem) }
    },
    async read({ id }) {
      if (!(await readOwner(claim(id)))) return undefined
      // A value that the schema does not know is how a reading says "not running".
      return { inputs: { major: postgresMajor, running: (await answers(home)) as true }, outputs: await outputsOf() }
    },
    list: ({ platformId }) => listMarked({ folder: claims, platformId, title: () => 'PostgreSQL cluster of the apps' }),
    // Settling starts it.
    async update({ checkpoint }) {
      await checkpoint()
      return {}
    },
    /** The claim goes last, so that a deletion that is cut short is known; of platforms that go at the same time, the last one deletes. */
    async delete({ id, checkpoint }) {
      await checkpoint()
      const isShared = await hasMarked(claims, { except: id })
      if (isShared) removeFile(claim(id))
      if (isShared && (await hasMarked(claims))) return {}
      const problem = await stop()
      if (problem !== undefined) return { again: { afterMs: 500, message: problem.message } }
      await removeData()
      removeFile(claim(id))
      // Unless another platform has just written its claim.
      await rmdir(claims).catch(() => {})
      if (!(await hasMarked(claims))) await releasePort(home, 'postgres-apps')
      return {}
    },
  })
}

/** How long one call waits for PostgreSQL to start or to end. */
const lookMs = 20_000

/** With the last line that PostgreSQL wrote: most often the reason. */
function whatIsKnown({ message, details }: PilotError): string {
  const log = details?.['log']
  const last: unknown = Array.isArray(log) ? log.at(-1) : undefined
  return typeof last === 'string' ? `${message} ${last}` : message
}

/** By default every login may connect to every database: each app may reach its own only. */
const closeToPublic = (home: Home): Promise<void> =>
  asSuperuser(home, { doing: 'Closing the databases of the cluster' }, async (client) => {
    // One at a time: two platforms that are made at once would get "tuple concurrently updated". One query is one transaction.
    await client.query('SELECT pg_advisory_xact_lock(1); REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC')
  })

async function answers(home: Home): Promise<boolean> {
  return asSuperuser(home, { doing: 'The cluster' }, async (client) => Boolean(await client.query('SELECT 1'))).catch(() => false)
}
