import { mkdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, type AnyKind } from '@pilot/core'
import { ensurePostgres, openCluster, replaceJson, reservePort, stopPostgres, type Home } from '@pilot/host'
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
  const start = async (): Promise<void> => {
    await ensurePostgres(home, { name: 'apps', password: await superuserPassword(home) })
    await closeToPublic(home)
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
    callTimeoutMs: 180_000,
    permissions: ['the folder of this home', 'as root: a system user for PostgreSQL'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'PostgreSQL, on a port of 127.0.0.1 and a unix socket', to: 'machine' }],

    async create({ owner, checkpoint }) {
      await checkpoint()
      await mkdir(claims, { recursive: true })
      replaceJson(claim(owner.platformId), { owner: markOf(owner) }, { durable: true })
      await start()
      return { id: owner.platformId }
    },
    async settle() {
      return { status: 'ready', outputs: await outputsOf() }
    },
    async read({ id }) {
      if (!(await readOwner(claim(id)))) return undefined
      // A value that the schema does not know is how a reading says "not running".
      return { inputs: { major: postgresMajor, running: (await answers(home)) as true }, outputs: await outputsOf() }
    },
    list: ({ platformId }) => listMarked({ folder: claims, platformId, title: () => 'PostgreSQL cluster of the apps' }),
    async update({ checkpoint }) {
      await checkpoint()
      await start()
      return {}
    },
    async delete({ id, checkpoint }) {
      await checkpoint()
      await rm(claim(id), { force: true })
      if (await hasMarked(claims)) return {}
      await stopPostgres(home, 'apps')
      const { folder, socketDir } = await openCluster(home, 'apps')
      for (const path of [folder, socketDir]) await rm(path, { recursive: true, force: true })
      // Unless another platform has just written its claim.
      await rmdir(claims).catch(() => {})
      await rm(join(home.paths.keys, 'postgres-apps.password'), { force: true })
      await removeSharedFolders(home)
      return {}
    },
  })
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
