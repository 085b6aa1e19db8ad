import { expect, test } from 'vitest'
import type { Message } from './message.ts'
import { sendWebhook } from './send-webhook.ts'

const message = { id: 'n1', at: '2026-01-02T03:04:05.000Z', notice: { event: 'test', title: 'A test' }, more: 0 } as unknown as Message
const failureOf = (url: string): Promise<string> =>
  sendWebhook({ type: 'webhook', secret: url } as never, message, { cwd: '/', signal: new AbortController().signal }).then(
    () => 'sent',
    (error: Error) => error.message,
  )

test('a port that HTTP clients refuse is named, and nothing else of the address', async () => {
  const said = await failureOf('http://127.0.0.1:6000/hooks/s3cret')
  expect(said).toMatch(/^port 6000 is one of those that HTTP clients do not ask/)
  expect(said).not.toContain('s3cret')
})

test('a port where nobody listens is another thing', async () => {
  expect(await failureOf('http://127.0.0.1:2/')).toBe('cannot be reached (ECONNREFUSED)')
})
