import { randomBytes } from 'node:crypto'
import { isPilotError, PilotError, secretRef, type SecretStore } from '@pilot/core'
import { channelInputSchema, type ChannelInput, type CheckedChannel } from '../contract/notifications.ts'
import { topicOf, type Notice } from './notice.ts'

/** A channel with its secrets, as the sender needs it. Kept whole in the platform's secret store: losing the database loses none. */
export type StoredChannel = CheckedChannel & {
  readonly name: string
  /** What requests of a webhook are signed with. */
  readonly signingKey?: string
}

const prefix = 'notifications'
const nameOf = (channel: string): string => `${prefix}/${channel}`

/** One that is there and cannot be read: it keeps no other from being told. */
export interface DamagedChannel {
  readonly name: string
  readonly problem: string
}

export interface Channels {
  readonly channels: readonly StoredChannel[]
  readonly damaged: readonly DamagedChannel[]
}

export async function readChannels(secrets: SecretStore): Promise<Channels> {
  const listed = await secrets.list(prefix)
  const all = await Promise.all(listed.map((each) => readStored(secrets, each)))
  return { channels: all.filter((each) => 'type' in each), damaged: all.filter((each) => 'problem' in each) }
}

export async function readChannel(secrets: SecretStore, name: string): Promise<StoredChannel> {
  await assertChannel(secrets, name)
  const { channels, damaged } = await readChannels(secrets)
  const found = channels.find((channel) => channel.name === name)
  if (found !== undefined) return found
  const problem = damaged.find((channel) => channel.name === name)?.problem
  throw new PilotError('SECRET_UNREADABLE', `The notification channel ${name} is damaged`, { ...(problem === undefined ? {} : { reason: problem }), suggestion: `Make it again with \`notifications add\`, or remove it with \`notifications remove ${name}\`.` })
}

/** Throws NOT_FOUND; a damaged one is there. */
export async function assertChannel(secrets: SecretStore, name: string): Promise<void> {
  const names = (await secrets.list(prefix)).map(channelNamed)
  if (names.includes(name)) return
  throw new PilotError('NOT_FOUND', `There is no notification channel ${name}`, { suggestion: names.length === 0 ? '`notifications add` makes one.' : `There is: ${names.join(', ')}.` })
}

/** Throws USAGE where parts do not fit together. One of the same name is replaced. */
export async function storeChannel(secrets: SecretStore, name: string, given: ChannelInput): Promise<StoredChannel> {
  const input = channelInputSchema.parse(given)
  if (input.type === 'webhook') assertWebhook(input.secret)
  if (input.type === 'email') assertMail(input)
  const channel: StoredChannel = { ...input, name, ...(input.type === 'webhook' && input.format === 'json' ? { signingKey: randomBytes(32).toString('base64url') } : {}) }
  // No purge of the one before: in between there would be none, and what waits for it would be given up. Its versions go with the channel.
  await secrets.put(nameOf(name), JSON.stringify(channel))
  return channel
}

export const removeChannel = (secrets: SecretStore, name: string): Promise<void> => secrets.purge(nameOf(name))

export function wants({ topics, project, environment }: StoredChannel, notice: Notice): boolean {
  if (notice.event === 'test') return true
  if (topics !== undefined && !topics.includes(topicOf[notice.event])) return false
  // What is about the whole platform is about each project.
  return (project === undefined || notice.project === undefined || project === notice.project) && (environment === undefined || notice.environment === undefined || environment === notice.environment)
}

/** Where it goes, without what is secret: the path of a webhook opens it. */
export function describe(channel: StoredChannel): string {
  switch (channel.type) {
    case 'webhook':
      return new URL(channel.secret).host
    case 'email':
      return `${channel.to.join(', ')} by ${channel.host}`
    case 'command':
      return channel.command.join(' ')
  }
}

async function readStored(secrets: SecretStore, stored: { readonly name: string; readonly version: number }): Promise<StoredChannel | DamagedChannel> {
  const name = channelNamed(stored)
  try {
    const channel = JSON.parse(await secrets.get(secretRef({ store: secrets.name, ...stored }))) as Partial<StoredChannel> | null
    return channel?.name === name && channel.type !== undefined ? (channel as StoredChannel) : { name, problem: notAChannel }
  } catch (error) {
    if (error instanceof SyntaxError) return { name, problem: notAChannel }
    if (isPilotError(error) && error.code === 'SECRET_UNREADABLE') return { name, problem: [error.message, error.reason].filter(Boolean).join(': ') }
    throw error
  }
}

const notAChannel = 'What is stored is no channel.'
const channelNamed = ({ name }: { readonly name: string }): string => name.slice(prefix.length + 1)

function assertWebhook(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) throw new PilotError('USAGE', 'The address of a webhook begins with https:// or http://', { suggestion: 'Copy it whole from where it was made.' })
  // fetch refuses such an address, and would name it.
  if (parsed.username !== '' || parsed.password !== '') throw new PilotError('USAGE', 'The address of a webhook has no user and password in it', { suggestion: 'Leave out what stands before the @; a receiver that wants to know who asks looks at `pilot-signature`.' })
}

function assertMail({ plain, user, secret, host }: Extract<CheckedChannel, { type: 'email' }>): void {
  if ((user === undefined) !== (secret === undefined)) throw new PilotError('USAGE', user === undefined ? 'There is a password for mail and no user' : `There is no password for the user ${user}`)
  if (plain && user !== undefined && !['localhost', '127.0.0.1', '::1'].includes(host)) throw new PilotError('USAGE', `Without TLS the password of ${user} could be read on the way to ${host}`, { suggestion: 'Leave out --plain.' })
}
