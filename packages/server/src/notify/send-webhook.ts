import { createHmac } from 'node:crypto'
import { payloadOf, textOf, type Message } from './message.ts'
import type { Send } from './send.ts'

const timeoutMs = 10_000

/**
 * POSTs JSON. Signed requests carry `pilot-signature: t=<seconds>,v1=<hex>`, the HMAC-SHA256 of `<seconds>.<body>`. A redirect
 * is a failure: the notice would go where nobody wanted it. The answer's body is not read: it may echo the address.
 */
export const sendWebhook: Send<'webhook'> = async ({ secret: url, format, signingKey }, message, { signal }) => {
  const body = JSON.stringify(format === 'slack' ? slackOf(message) : payloadOf(message))
  const seconds = Math.floor(Date.now() / 1000)
  const response = await fetch(url, {
    method: 'POST',
    body,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    headers: {
      'content-type': 'application/json',
      'user-agent': 'pilot',
      'pilot-event': message.notice.event,
      'pilot-delivery': message.id,
      ...(signingKey === undefined ? {} : { 'pilot-signature': `t=${seconds},v1=${createHmac('sha256', signingKey).update(`${seconds}.${body}`).digest('hex')}` }),
    },
  }).catch((error: unknown) => {
    throw new Error(whyNot(error, url))
  })
  await response.body?.cancel().catch(() => {})
  if (response.status >= 300 && response.status < 400) throw new Error(`answered ${response.status}: it redirects, which is not followed`)
  if (!response.ok) throw new Error(`answered ${response.status}`)
}

/** What incoming webhooks of Slack take, and others that follow it (Mattermost; Discord with /slack at the end of its address). */
function slackOf(message: Message): Record<string, unknown> {
  // Names of ours and texts of apps must not become mentions or links: <!here> of Slack, and the @here of Mattermost and Discord, which a space without width ends.
  return { text: textOf(message).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replace(/@(?=(?:everyone|here|channel|all)\b)/gi, '@\u200b') }
}

function whyNot(error: unknown, url: string): string {
  if ((error as Error).name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`
  const { code, message } = ((error as Error).cause ?? error) as { readonly code?: unknown; readonly message?: string }
  // Ports of other protocols, which HTTP clients refuse by their standard. Only the port: the rest of the address is secret.
  if (message === 'bad port') return `port ${new URL(url).port} is one of those that HTTP clients do not ask (https://fetch.spec.whatwg.org/#port-blocking): let it listen on another one`
  return typeof code === 'string' ? `cannot be reached (${code})` : 'cannot be reached'
}
