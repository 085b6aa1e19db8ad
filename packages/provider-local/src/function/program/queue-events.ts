import type { FunctionConfig } from './config.ts'
import { logLine } from './log.ts'
import { httpRequest } from './node-http.ts'
import type { Outcome } from './outcome.ts'
import type { Pool } from './pool.ts'
import { md5, type Message, type Taken } from './queue-store.ts'

export interface Consumer {
  /** Fetches no more. */
  stop(): void
  /** Resolves when the queue knows what became of all that was fetched. */
  settled(): Promise<void>
}

/** Fetches messages while this deployment may have them, and calls the function with up to `batch` of them. */
export function consumeQueue({ queue, deployment, atOnce, timeoutMs, name }: Pick<FunctionConfig, 'queue' | 'deployment' | 'atOnce' | 'timeoutMs' | 'name'>, pool: Pool): Consumer {
  if (queue === undefined) return { stop() {}, async settled() {} }
  const { port, token, batch, retries } = queue
  // Kept up while we work on it, and while it waits for a worker: it passes when this host has been killed.
  const visibleInMs = timeoutMs + 5_000
  const stopping = new AbortController()
  let busy = 0
  let free = Promise.withResolvers<void>()
  void run()
  return {
    stop: () => stopping.abort(),
    async settled() {
      while (busy > 0) await free.promise
    },
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (busy >= atOnce) {
        await free.promise
        continue
      }
      try {
        const { messages } = (await ask('/receive', { deployment, max: batch, visibleInMs, retries }, stopping.signal)) as { messages: readonly Message[] }
        if (messages.length > 0) void work(messages)
      } catch (error) {
        if (stopping.signal.aborted) return
        logLine('ERROR', `The queue does not answer: ${(error as Error).message}`)
        await new Promise((resolve) => setTimeout(resolve, 1_000))
      }
    }
  }

  async function work(messages: readonly Message[]): Promise<void> {
    busy += 1
    const taken = messages.map(({ id, receipt }) => ({ id, receipt }))
    const renewal = setInterval(() => void ask('/renew', { taken, visibleInMs }).catch(() => {}), visibleInMs / 3)
    try {
      const outcome = await pool.invoke(JSON.stringify({ Records: messages.map((message) => recordOf(message, name)) }))
      await settle({ retries, ...judge(messages, outcome) })
    } finally {
      clearInterval(renewal)
      busy -= 1
      free.resolve()
      free = Promise.withResolvers<void>()
    }
  }

  /** Done is done only when the queue knows it; if it never does, others get the messages again. */
  async function settle(body: object): Promise<void> {
    for (let attempt = 1; attempt <= 5; attempt++) {
      const settled = await ask('/settle', body).then(() => true, () => false)
      if (settled) return
      await new Promise((resolve) => setTimeout(resolve, attempt * 200))
    }
    logLine('ERROR', 'The queue was not told what became of its messages: they will come again')
  }

  function ask(path: string, body: object, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port, path, method: 'POST', agent: false, headers: { 'x-pilot-function-token': token }, ...(signal ? { signal } : {}) }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`it answers ${response.statusCode}`))))
      })
      request.on('error', reject)
      request.end(JSON.stringify(body))
    })
  }
}

export interface Verdict {
  readonly done: readonly Taken[]
  readonly failed: readonly (Taken & { readonly error: string })[]
  readonly released: readonly Taken[]
}

/** As Lambda does with SQS: an error fails all of them, `batchItemFailures` those that it names. */
export function judge(messages: readonly Message[], outcome: Outcome): Verdict {
  const taken = messages.map(({ id, receipt }) => ({ id, receipt }))
  const nothing: Verdict = { done: [], failed: [], released: [] }
  // Nobody has seen them, or we ended whoever did.
  if ('error' in outcome && (outcome.why === 'leaving' || outcome.why === 'busy')) return { ...nothing, released: taken }
  const all = (error: string): Verdict => ({ ...nothing, failed: taken.map((one) => ({ ...one, error })) })
  if ('error' in outcome) return all(`${outcome.error.type}: ${outcome.error.message}`)
  const failures = failuresOf(outcome.payload)
  if (failures === undefined) return { ...nothing, done: taken }
  if (failures.some((id) => !taken.some((one) => one.id === id))) return all('It named failures in batchItemFailures that are not of its messages')
  return { ...nothing, done: taken.filter(({ id }) => !failures.includes(id)), failed: taken.filter(({ id }) => failures.includes(id)).map((one) => ({ ...one, error: 'It named this message in batchItemFailures' })) }
}

/** Undefined: all went well. */
function failuresOf(payload: Buffer): readonly string[] | undefined {
  try {
    const value = JSON.parse(payload.toString('utf8')) as { batchItemFailures?: unknown } | null
    const list = value?.batchItemFailures
    return Array.isArray(list) && list.length > 0 ? list.map((one) => String((one as { itemIdentifier?: unknown } | null)?.itemIdentifier)) : undefined
  } catch {
    return undefined
  }
}

const recordOf = ({ id, receipt, body, attributes, sentAt, firstReceivedAt, receives }: Message, name: string): object => ({
  messageId: id,
  receiptHandle: receipt,
  body,
  attributes: { ApproximateReceiveCount: String(receives), SentTimestamp: String(sentAt), SenderId: 'pilot', ApproximateFirstReceiveTimestamp: String(firstReceivedAt) },
  messageAttributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, lowerFirst(value)])),
  md5OfBody: md5(body),
  eventSource: 'aws:sqs',
  eventSourceARN: `arn:pilot:sqs:local:0:${name}`,
  awsRegion: 'local',
})

/** Events spell what senders write as StringValue: stringValue. */
const lowerFirst = (value: unknown): object => Object.fromEntries(Object.entries((value ?? {}) as object).map(([key, one]) => [key.charAt(0).toLowerCase() + key.slice(1), one as unknown]))
