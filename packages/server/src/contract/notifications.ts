import * as z from 'zod'
import { nameSchema, timeSchema } from './shared.ts'

/** What a channel may be told of. */
export const topicSchema = z.enum(['failed', 'unhealthy', 'certificate', 'disk'])
export type Topic = z.infer<typeof topicSchema>

const filters = {
  topics: z.array(topicSchema).min(1).optional().describe('Default: all.'),
  project: nameSchema.optional().describe('Only what is about this project.'),
  environment: nameSchema.optional(),
}
const address = z.string().max(320).regex(/^[^\s<>,;"]+@[^\s<>,;"]+$/, 'an address such as ops@example.org')

/** What is not secret of a channel. */
const openParts = {
  webhook: z.object({ type: z.literal('webhook'), format: z.enum(['json', 'slack']).default('json'), ...filters }),
  email: z.object({
    type: z.literal('email'),
    to: z.array(address).min(1).max(50),
    from: address,
    host: z.string().min(1).max(253),
    port: z.number().int().min(1).max(65535),
    user: z.string().max(320).optional(),
    plain: z.boolean().default(false).describe('Without TLS: only to this machine, or without a user.'),
    ca: z.string().max(100_000).optional().describe('PEM of the authority that has signed the certificate of the mail server, where it is no public one.'),
    ...filters,
  }),
  command: z.object({ type: z.literal('command'), command: z.array(z.string().max(10_000)).min(1).max(100), ...filters }),
}

/** As a client sends it: `secret` is the address of a webhook, or the password for mail. */
export const channelInputSchema = z
  .discriminatedUnion('type', [openParts.webhook.extend({ secret: z.string().min(1).max(4000) }), openParts.email.extend({ secret: z.string().max(4000).optional() }), openParts.command])
  .meta({ id: 'NotificationChannelInput' })
export type ChannelInput = z.input<typeof channelInputSchema>
export type CheckedChannel = z.output<typeof channelInputSchema>

const told = z.object({ at: timeSchema, ok: z.boolean(), error: z.string().optional() })
export const channelSchema = z
  .object({
    name: z.string(),
    platform: z.string(),
    type: z.enum(['webhook', 'email', 'command']),
    what: z.string().describe('Where it goes, without secrets: the host, the addresses, the command.'),
    topics: z.array(topicSchema).optional(),
    project: z.string().optional(),
    environment: z.string().optional(),
    last: told.optional().describe('How the last attempt ended.'),
    waiting: z.number().int().describe('What is tried again.'),
    failed: z.number().int().describe('What was given up within the last 30 days.'),
  })
  .meta({ id: 'NotificationChannel' })
export type Channel = z.infer<typeof channelSchema>

export const channelListSchema = z.object({
  channels: z.array(channelSchema),
  damaged: z.array(z.object({ name: z.string(), problem: z.string() })).optional().describe('Channels that cannot be read: nobody is told by these until they are made again.'),
})
export type ChannelList = z.infer<typeof channelListSchema>

export const channelPutSchema = z.object({ channel: channelSchema, signingKey: z.string().optional().describe('Of a new webhook in JSON: what its requests are signed with. Shown this once.') })
export type ChannelPut = z.infer<typeof channelPutSchema>
