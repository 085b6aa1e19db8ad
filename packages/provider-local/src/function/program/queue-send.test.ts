import { expect, test } from 'vitest'
import { parseSend } from './queue-send.ts'
import { md5 } from './queue-store.ts'

const send = (target: string, body: unknown) => parseSend(target, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
const batch = (Entries: unknown) => send('AmazonSQS.SendMessageBatch', { QueueUrl: 'http://127.0.0.1:1', Entries })

test('a batch becomes its messages, in order, each answered under its own id', () => {
  const parsed = batch([{ Id: 'x', MessageBody: 'one' }, { Id: 'y', MessageBody: 'two', DelaySeconds: 3, MessageAttributes: { kind: { DataType: 'String', StringValue: 'z' } } }])
  if ('problem' in parsed) throw new Error(JSON.stringify(parsed.problem))
  expect(parsed.messages).toEqual([{ body: 'one', delayMs: 0 }, { body: 'two', delayMs: 3_000, attributes: { kind: { DataType: 'String', StringValue: 'z' } } }])
  expect([parsed.status, parsed.answer(['m1', 'm2'])]).toEqual([200, { Successful: [{ Id: 'x', MessageId: 'm1', MD5OfMessageBody: md5('one') }, { Id: 'y', MessageId: 'm2', MD5OfMessageBody: md5('two') }], Failed: [] }])
})

test('a batch that is none stores nothing', () => {
  const entry = { Id: 'x', MessageBody: 'one' }
  for (const entries of [undefined, [], 'x', Array.from({ length: 11 }, () => entry), [entry, { Id: 'y' }], [entry, null], [{ MessageBody: 'no id' }], [entry, entry]]) {
    expect(batch(entries), JSON.stringify(entries)).toMatchObject({ problem: { __type: expect.stringMatching(/^com\.amazonaws\.sqs#/) } })
  }
  for (const body of ['{', '[]x', '1']) expect(send('AmazonSQS.SendMessage', body)).toMatchObject({ problem: { __type: 'com.amazonaws.sqs#SerializationException' } })
  expect(send('AmazonSQS.ReceiveMessage', {})).toMatchObject({ problem: { __type: 'com.amazonaws.sqs#UnsupportedOperation' } })
})
