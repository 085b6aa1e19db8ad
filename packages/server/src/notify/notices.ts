import { sql } from 'kysely'
import type { Database, Tx } from '../db/database.ts'
import { channels } from '../db/notifications.ts'
import type { Notice } from './notice.ts'

/** Written together with what it tells of, so that both are there or none; the notifier does the rest, also after a crash. */
export async function addNotice(tx: Database | Tx, notice: Notice): Promise<void> {
  await tx.insertInto('notices').values({ platform: notice.platform, body: JSON.stringify(notice) }).execute()
  await sql`select pg_notify(${channels.notices}, '')`.execute(tx)
}

/** Opens or ends what lasts, such as an app being unhealthy: told once, however often it is seen. */
export async function settleIncident(db: Database, { key, isOn, began, ended }: { readonly key: string; readonly isOn: boolean; readonly began: () => Notice; readonly ended?: (since: string) => Notice }): Promise<void> {
  await db.transaction().execute(async (tx) => {
    if (isOn) {
      const opened = await tx.insertInto('incidents').values({ key }).onConflict((on) => on.doNothing()).returning('key').executeTakeFirst()
      if (opened !== undefined) await addNotice(tx, began())
      return
    }
    const closed = await tx.deleteFrom('incidents').where('key', '=', key).returning('since').executeTakeFirst()
    if (closed !== undefined && ended !== undefined) await addNotice(tx, ended(closed.since))
  })
}

export const openIncidents = async (db: Database): Promise<ReadonlySet<string>> => new Set((await db.selectFrom('incidents').select('key').execute()).map(({ key }) => key))

export async function forgetOldNotices(db: Database): Promise<void> {
  await sql`delete from notices where at < now() - interval '30 days'`.execute(db)
}
