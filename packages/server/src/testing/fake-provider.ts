import { PilotError, type Compute, type InstanceStatus, type LogLine, type TrafficCounters } from '@pilot/core'
import { fakeDatabaseCapability } from './fake-databases.ts'
import { defineFakeProvider } from '@pilot/core/testing'

/**
 * The fake cloud as a provider with what the server asks for beyond it: instances and logs. Its builder prints the app's
 * build arguments and the source's index.html, so that tests can see what reaches a log, and fails where that says so.
 */
const base = defineFakeProvider({ consistencyMs: 0 })

export default {
  ...base,
  async connect(context: Parameters<typeof base.connect>[0]) {
    const capabilities = await base.connect(context)
    const url = (context.settings as { url: string }).url
    return {
      ...capabilities,
      database: fakeDatabaseCapability,
      compute: { container: { ...capabilities.compute.container!, status: ({ app }) => instancesOf(url, app.app), logs: linesOf, counters: async () => [...counted], run: runOf, exec: async ({ instance, ...call }) => runOf({ ...call, command: [`in ${instance}:`, ...call.command] }) } satisfies Compute },
      builders: capabilities.builders.map((builder) => ({
        ...builder,
        async build(call: Parameters<typeof builder.build>[0]) {
          for (const [name, value] of Object.entries(call.args)) call.log(`${name} is ${value}`)
          const page = call.facts.text('index.html') ?? ''
          if (page.startsWith('print ')) call.log(page)
          if (page.includes('fail')) throw new PilotError('BUILD_FAILED', `The page says ${page}`, { reason: 'exit code 1', details: { log: [page] } })
          return builder.build(call)
        },
      })),
    }
  },
} satisfies typeof base

/** `echo` prints its input, `size` the size of its terminal, both to the end of the input. Anything else prints the command and a variable and ends with 7, or with what `exit N` says; `wait` goes on until it is interrupted, which it notes, or until somebody lets it. */
const runOf: NonNullable<Compute['run']> = async ({ command, env, input, tty, output, signal }) => {
  if (command[0] === 'echo') {
    for await (const chunk of input ?? []) await output('stdout', chunk)
    return { exitCode: 3 }
  }
  if (command[0] === 'size') {
    tty?.onResize(({ columns, rows }) => void output('stdout', Buffer.from(`now ${columns}x${rows}`)))
    await output('stdout', Buffer.from(`${tty?.columns}x${tty?.rows} ${tty?.term}`))
    tty?.unavailable('There is none.')
    for await (const _ of input ?? []);
    return { exitCode: 0 }
  }
  await output('stdout', Buffer.from(`${command.join(' ')} ${env['LOG_LEVEL']}\n`))
  await output('stderr', Buffer.from([0xff, 0x0a]))
  if (command[0] === 'wait') {
    waiting.push(command.join(' '))
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      letGo.then(resolve, () => {})
    })
    if (!signal.aborted) return { exitCode: 0 }
    interrupted.push(command.join(' '))
    throw signal.reason
  }
  return { exitCode: command[0] === 'exit' ? Number(command[1]) : 7 }
}

/** Commands that began to wait. */
export const waiting: string[] = []

let letGo: Promise<void> = new Promise(() => {})
/** From now on what waits ends well. */
export const letWaitingGo = (go: Promise<void>): void => void (letGo = go)

/** Commands that ended because nobody listened any more. */
export const interrupted: string[] = []

/** What the cloud has counted of every app. */
export const counted: TrafficCounters[] = []

/** Deployments whose instances are unhealthy. */
export const unwell = new Set<string>()

/** Why instances cannot be read at the moment. */
export const failStatus: { because: string | undefined } = { because: undefined }

async function instancesOf(url: string, app: string): Promise<readonly InstanceStatus[]> {
  if (failStatus.because !== undefined) throw new PilotError('ENGINE_STOPPED', failStatus.because)
  const response = await fetch(`${url}/control`, { method: 'POST', body: JSON.stringify({ method: 'resources', params: [] }) })
  const resources = (await response.json()) as readonly { readonly type: string; readonly properties: { readonly deployment?: string }; readonly marks: { readonly scope?: string } }[]
  return resources
    .filter(({ type, marks }) => type === 'deployment' && marks.scope?.split('/')[2] === app)
    .map(({ properties }) => ({ deployment: properties.deployment!, instance: '1', state: unwell.has(properties.deployment!) ? 'unhealthy' : 'running' }))
}

async function* linesOf({ tail = 100, cursor, follow, deployments, signal }: Parameters<NonNullable<Compute['logs']>>[0]): AsyncGenerator<LogLine> {
  const first = cursor === undefined ? Math.max(0, 5 - tail) : Number(cursor) + 1
  for (let n = first; n < 5; n++) yield { deployment: deployments?.[0] ?? 'd', instance: '1', stream: 'stdout', text: `line ${n}`, cursor: String(n) }
  if (follow === true) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
