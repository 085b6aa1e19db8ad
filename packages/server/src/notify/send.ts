import type { StoredChannel } from './channels.ts'
import type { Message } from './message.ts'

/** Sends one message; throws an Error whose text tells why not and holds no secret. */
export type Send<T extends StoredChannel['type']> = (channel: Extract<StoredChannel, { type: T }>, message: Message, options: { readonly cwd: string; readonly signal: AbortSignal }) => Promise<void>

/** Each is read when it is used first: most homes use none. */
const senders: { readonly [T in StoredChannel['type']]: () => Promise<Send<T>> } = {
  webhook: async () => (await import('./send-webhook.ts')).sendWebhook,
  email: async () => (await import('./send-email.ts')).sendEmail,
  command: async () => (await import('./send-command.ts')).sendCommand,
}

export async function send(channel: StoredChannel, message: Message, options: { readonly cwd: string; readonly signal: AbortSignal }): Promise<void> {
  const sender = (await senders[channel.type]()) as Send<StoredChannel['type']>
  await sender(channel as never, message, options)
}
