import { livenessOf, type AppIdentity } from '@pilot/core'
import type { Database } from '../db/database.ts'
import { ownIdentity } from '../jobs/runner.ts'
import { deploymentsOfRuns } from '../schedule/runs.ts'

interface Place {
  readonly platform: string
  readonly app: AppIdentity
}

/** Deployments that something works with although they may have no traffic: scheduled runs, and commands of people. */
export async function deploymentsInUse(db: Database, place: Place): Promise<readonly string[]> {
  return [...new Set((await Promise.all([deploymentsOfRuns(db, place), deploymentsOfCommands(db, place)])).flat())]
}

/** A command of a person runs in a deployment until what this returns is disposed, or this process ends. */
export async function noteCommand(db: Database, { platform, app: { project, app, environment }, deployment }: Place & { readonly deployment: string }): Promise<AsyncDisposable> {
  // Nobody is kept from a command, perhaps the one that helps, because the database is away.
  const note = await db.insertInto('commands').values({ platform, project, app, environment, deployment, runner: JSON.stringify(ownIdentity()) }).returning('id').executeTakeFirst().catch(() => undefined)
  return {
    async [Symbol.asyncDispose]() {
      if (note !== undefined) await db.deleteFrom('commands').where('id', '=', note.id).execute().catch(() => {})
    },
  }
}

/** Notes of processes that are gone, and the commands with them. */
export async function forgetDeadCommands(db: Database): Promise<void> {
  const dead = (await db.selectFrom('commands').select(['id', 'runner']).execute()).filter(({ runner }) => livenessOf(runner) === 'gone').map(({ id }) => id)
  if (dead.length > 0) await db.deleteFrom('commands').where('id', 'in', dead).execute()
}

async function deploymentsOfCommands(db: Database, { platform, app: { project, app, environment } }: Place): Promise<readonly string[]> {
  const rows = await db.selectFrom('commands').select(['deployment', 'runner']).where((where) => where.and({ platform, project, app, environment })).execute()
  return rows.flatMap(({ deployment, runner }) => (livenessOf(runner) === 'gone' ? [] : [deployment]))
}
