import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { PilotError, type SecretStore } from '@pilot/core'
import type { Channel } from '../../contract/notifications.ts'
import { activityStream, appendEvents } from '../../events/streams.ts'
import { assertChannel, describe, readChannel, readChannels, removeChannel, storeChannel, type StoredChannel } from '../../notify/channels.ts'
import { send } from '../../notify/send.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** Channels belong to a platform: they lie among its secrets. */
export function notificationHandlers({ db, home, platforms }: Services) {
  async function open(platform: string | undefined, signal: AbortSignal): Promise<{ readonly secrets: SecretStore; readonly platform: string }> {
    const { context, record } = await platforms.reader(platform, signal)
    return { secrets: context.secrets, platform: record.name }
  }
  const report = (platform: string, { by, what, text }: { by: string; what: string; text: string }): Promise<void> => appendEvents(db, activityStream, [{ body: { what, by, platform, text } }])

  async function view(platform: string, channel: StoredChannel): Promise<Channel> {
    const { rows } = await sql<{ waiting: number; failed: number; sent_at: string | null; failed_at: string | null; error: string | null }>`
      select count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'failed') as failed, max(sent_at) as sent_at, max(failed_at) as failed_at,
        (array_agg(error order by failed_at desc nulls last))[1] as error
      from deliveries where platform = ${platform} and channel = ${channel.name}`.execute(db)
    const { waiting, failed, sent_at: sent, failed_at: failure, error } = rows[0]!
    const isBad = failure !== null && (sent === null || sent < failure)
    const at = isBad ? failure : sent
    const { topics, project, environment } = channel
    return {
      name: channel.name,
      platform,
      type: channel.type,
      what: describe(channel),
      ...(topics === undefined ? {} : { topics }),
      ...(project === undefined ? {} : { project }),
      ...(environment === undefined ? {} : { environment }),
      ...(at === null ? {} : { last: { at, ok: !isBad, ...(isBad && error !== null ? { error } : {}) } }),
      waiting,
      failed,
    }
  }

  return {
    async notificationChannels({ query, signal }) {
      const { secrets, platform } = await open(query.platform, signal)
      const { channels, damaged } = await readChannels(secrets)
      return { channels: await Promise.all(channels.map((channel) => view(platform, channel))), damaged: [...damaged] }
    },

    async putNotificationChannel({ params: { name }, query, body, by, signal, isOwner }) {
      // A command runs with all that the user of this home may do: only who can open the home's own socket says which.
      if (body.type === 'command' && !isOwner) throw new PilotError('UNAUTHORIZED', 'A command for notifications is set on the machine itself', { suggestion: 'Use the command `notifications add command` there.' })
      const { secrets, platform } = await open(query.platform, signal)
      const channel = await storeChannel(secrets, name, body)
      await report(platform, { by, what: 'notifications.set', text: `set the notification channel ${name} (${channel.type}: ${describe(channel)})` })
      return { channel: await view(platform, channel), ...(channel.signingKey === undefined ? {} : { signingKey: channel.signingKey }) }
    },

    async testNotificationChannel({ params: { name }, query, by, signal }) {
      const { secrets, platform } = await open(query.platform, signal)
      const channel = await readChannel(secrets, name)
      const message = { id: `test-${randomBytes(6).toString('hex')}`, at: new Date().toISOString(), more: 0, notice: { event: 'test' as const, platform, title: `A test of the notification channel ${name}`, by } }
      await send(channel, message, { cwd: home.dir, signal }).catch((error: Error) => {
        throw new PilotError('NOTIFICATION_FAILED', `The test did not get to ${describe(channel)}`, { reason: error.message })
      })
      return { done: true as const }
    },

    async removeNotificationChannel({ params: { name }, query, by, signal }) {
      const { secrets, platform } = await open(query.platform, signal)
      await assertChannel(secrets, name)
      await removeChannel(secrets, name)
      await db.deleteFrom('deliveries').where('platform', '=', platform).where('channel', '=', name).execute()
      await report(platform, { by, what: 'notifications.removed', text: `removed the notification channel ${name}` })
      return { done: true as const }
    },
  } satisfies Partial<Handlers>
}
