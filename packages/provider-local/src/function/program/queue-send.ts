import { md5, type NewMessage } from './queue-store.ts'

/** What a sender wants, and how it is answered. Pure. */
export type Send =
  | { readonly messages: readonly NewMessage[]; readonly status: number; answer(ids: readonly string[]): object }
  | { readonly problem: object }

/** `target` is the header by which SQS's JSON protocol names what is asked; without it the body is the message. */
export function parseSend(target: string, body: Buffer): Send {
  if (target === '') {
    const text = body.toString('utf8')
    if (text === '' || !Buffer.from(text).equals(body)) return { problem: { message: 'The body is the message: text in UTF-8, not empty' } }
    return { messages: [{ body: text }], status: 202, answer: ([id]) => ({ MessageId: id, MD5OfMessageBody: md5(text) }) }
  }
  const input = parse(body)
  if (input === undefined) return invalid('SerializationException', 'The body is no JSON')
  switch (target) {
    case 'AmazonSQS.SendMessage': {
      const message = messageOf(input)
      if (message === undefined) return invalid('MissingParameter', 'MessageBody is missing')
      return { messages: [message], status: 200, answer: ([id]) => ({ MessageId: id, MD5OfMessageBody: md5(message.body) }) }
    }
    case 'AmazonSQS.SendMessageBatch': {
      const entries = Array.isArray(input['Entries']) ? (input['Entries'] as (Record<string, unknown> | null)[]).map((entry) => entry ?? {}) : []
      const ids = new Set(entries.map(({ Id }) => Id).filter((id) => typeof id === 'string' && id !== ''))
      const messages = entries.map(messageOf)
      if (entries.length === 0 || entries.length > 10 || ids.size < entries.length || messages.includes(undefined)) return invalid('InvalidParameterValue', 'Entries are 1 to 10, each with an Id of its own and MessageBody')
      const sent = messages as NewMessage[]
      return { messages: sent, status: 200, answer: (ids) => ({ Successful: entries.map((entry, index) => ({ Id: entry['Id'], MessageId: ids[index], MD5OfMessageBody: md5(sent[index]!.body) })), Failed: [] }) }
    }
    default:
      return invalid('UnsupportedOperation', `${target} is not something that a sender may ask: SendMessage and SendMessageBatch are`)
  }
}

function messageOf({ MessageBody, MessageAttributes, DelaySeconds }: Record<string, unknown>): NewMessage | undefined {
  if (typeof MessageBody !== 'string' || MessageBody === '') return undefined
  const delay = Number(DelaySeconds ?? 0)
  return { body: MessageBody, ...(typeof MessageAttributes === 'object' && MessageAttributes !== null ? { attributes: MessageAttributes as Record<string, unknown> } : {}), delayMs: Number.isFinite(delay) ? Math.min(900, Math.max(0, delay)) * 1000 : 0 }
}

const invalid = (type: string, message: string): Send => ({ problem: { __type: `com.amazonaws.sqs#${type}`, message } })

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
