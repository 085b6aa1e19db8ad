import { expect, test } from 'vitest'
import { httpAnswer, httpEvent } from './http-event.ts'
import type { Message } from './queue-store.ts'
import { judge } from './queue-events.ts'

const answer = (value: unknown) => httpAnswer(Buffer.from(JSON.stringify(value)))
const request = { requestId: 'r', method: 'GET', target: '/', headers: {}, body: Buffer.alloc(0), at: new Date('2026-11-22T01:02:03.456Z') }

test('a header cannot be broken out of, and what belongs to the connection is ours', () => {
  expect(answer({ statusCode: 200, headers: { ok: 'a', bad: 'x\r\nset-cookie: y', 'Transfer-Encoding': 'chunked', 'b d': 'c' }, cookies: ['a=1\r\nx: y', 'b=2'] })).toMatchObject({ status: 200, headers: { 'content-type': 'application/json', ok: 'a', 'set-cookie': ['b=2'] } })
  expect(Object.keys((answer({ statusCode: 200, headers: { bad: 'x\ny', connection: 'close' } }) as { headers: object }).headers)).toEqual(['content-type'])
})

test('what is no answer is named', () => {
  for (const statusCode of ['x', 99, 700, 1.5, null]) expect(answer({ statusCode })).toMatch(/^statusCode is/)
  expect(answer({ statusCode: 200, body: [1] })).toContain('body is a list')
  expect(httpAnswer(Buffer.from('{'))).toContain('no JSON')
  expect(answer(null)).toMatchObject({ status: 200, body: Buffer.from('null') })
})

test('text goes as text when it is; everything else as base64', () => {
  const event = (type: string, body: Buffer) => httpEvent({ ...request, method: 'POST', headers: { 'content-type': type }, body }) as { body: string; isBase64Encoded: boolean }
  expect(event('application/json; charset=utf-8', Buffer.from('{"ä":1}'))).toMatchObject({ body: '{"ä":1}', isBase64Encoded: false })
  expect(event('text/plain', Buffer.from([0xff, 0xfe]))).toMatchObject({ body: '//4=', isBase64Encoded: true })
  expect(event('application/x-www-form-urlencoded', Buffer.from('a=b'))).toMatchObject({ body: 'YT1i', isBase64Encoded: true })
  expect(httpEvent(request)).toMatchObject({ isBase64Encoded: false, requestContext: { time: '22/Nov/2026:01:02:03 +0000', http: { sourceIp: '127.0.0.1' } } })
})

test('messages are done, failed or given back as Lambda and SQS agree on', () => {
  const messages = ['a', 'b'].map((id): Message => ({ id, receipt: `r${id}`, body: id, attributes: {}, sentAt: 0, firstReceivedAt: 0, receives: 1 }))
  const of = (value: unknown) => judge(messages, { requestId: 'r', payload: Buffer.from(JSON.stringify(value)) })
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id)
  for (const value of [null, 'ok', {}, { batchItemFailures: [] }]) expect(ids(of(value).done)).toEqual(['a', 'b'])
  expect([ids(of({ batchItemFailures: [{ itemIdentifier: 'b' }] }).done), ids(of({ batchItemFailures: [{ itemIdentifier: 'b' }] }).failed)]).toEqual([['a'], ['b']])
  for (const wrong of ['', 'zz', undefined]) expect(ids(of({ batchItemFailures: [{ itemIdentifier: wrong }] }).failed)).toEqual(['a', 'b'])
  const error = { type: 'E', message: 'm' }
  expect(ids(judge(messages, { requestId: 'r', why: 'timeout', error }).failed)).toEqual(['a', 'b'])
  expect(ids(judge(messages, { requestId: 'r', why: 'leaving', error }).released)).toEqual(['a', 'b'])
})
