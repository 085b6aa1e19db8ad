import { join } from 'node:path'
import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import { functionToken, putService, reservePort, serviceStatus, tailOf, type Home, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { askFunction } from '../function/ask.ts'
import { languageIn, type Language } from '../function/handler-file.ts'
import { configVariable, type FunctionConfig } from '../function/program/config.ts'
import { functionPrograms, type FunctionPrograms } from '../function/programs.ts'
import { nodeFolder } from '../process/programs.ts'
import type { StoredService } from './process.ts'
import { readService, serviceGone, serviceHandlers, type PutCall } from './service-handlers.ts'
import { assertArtifact, exitOf, programInputs, programService, userOf } from './service-parts.ts'
import { failedWith, freeOfCharge } from './shared.ts'

const { command: _, logShare: __, ...ofPrograms } = programInputs
const inputs = z.object({
  ...ofPrograms,
  handler: z.string(),
  timeoutMs: z.number(),
  atOnce: z.number(),
  http: z.boolean(),
  queue: z.object({ service: z.string(), port: z.number(), batch: z.number(), retries: z.number() }).optional(),
  /** So that a host that is gone counts as drift. */
  running: z.literal(true),
})
const outputs = z.object({ host: z.string(), port: z.number(), address: z.string() })

type Inputs = z.output<typeof inputs>

/** What we read back of the service file of a function host. */
interface StoredFunction extends StoredService {
  readonly called: Pick<Inputs, 'handler' | 'timeoutMs' | 'atOnce' | 'http' | 'queue' | 'memoryBytes'>
}

/** The host itself, beside its workers. */
const hostBytes = 128 * 1024 ** 2
const idleMs = 5 * 60_000
const initMs = 60_000

/** A deployment of a function: a service of the supervisor that starts workers when events come. */
export function functionKind(home: Home): AnyKind {
  const outputsOf = ({ port }: StoredFunction): z.output<typeof outputs> => ({ host: '127.0.0.1', port, address: `http://127.0.0.1:${port}` })

  const put = async ({ owner, name, inputs }: PutCall<Inputs>): Promise<void> => {
    const { handler, timeoutMs, atOnce, http, queue, memoryBytes, folder, deployment } = inputs
    const language = await languageIn(folder, handler)
    if (!language) throw new PilotError('ARTIFACT_GONE', `The artifact ${folder} holds no file for the handler ${handler}`)
    const port = await reservePort(home, portName(name))
    const programs = await functionPrograms(home)
    const node = join(await nodeFolder(home, userOf(inputs.account)), 'node')
    const quiet = ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning']
    const config: FunctionConfig = { name: inputs.app.app, deployment, port, folder, handler, worker: workerCommand({ language, node, programs, memoryBytes }), timeoutMs, atOnce, memoryBytes, http, ...(queue ? { queue: { port: queue.port, token: functionToken(home, queue.service), batch: queue.batch, retries: queue.retries } } : {}), token: functionToken(home, name), idleMs, initMs }
    const service = await programService(home, { name, owner, inputs: { ...inputs, command: [node, ...quiet, programs.host] } })
    const spec: ServiceSpec & StoredFunction = {
      ...service,
      secretEnv: { ...service.secretEnv, [configVariable]: JSON.stringify(config) },
      // Each worker has the limit for itself, which its host looks after.
      memoryBytes: hostBytes + memoryBytes * atOnce,
      stopTimeoutMs: Math.min(timeoutMs, 30_000) + 5_000,
      deployment,
      port,
      called: { handler, timeoutMs, atOnce, http, ...(queue ? { queue } : {}), memoryBytes },
    }
    await putService(home, spec)
  }

  return defineKind({
    kind: 'local/function',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['app', 'deployment', 'folder', 'env', 'account', 'memoryBytes', 'handler', 'timeoutMs', 'atOnce', 'http', 'queue'], writeOnly: ['env'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: ({ http }) => (http ? [{ what: 'a port of 127.0.0.1, behind the edge', to: 'machine' }] : []),

    ...serviceHandlers({
      home,
      role: 'function',
      check: ({ inputs }) => assertArtifact(inputs),
      put,
      inputsOf: ({ app, deployment, cwd: folder, called }: StoredFunction, running) => ({ app, deployment, folder, ...called, running }),
      outputsOf,
      portName,
    }),

    /** Ready when its handler has been loaded once. */
    async settle({ id, inputs, elapsedMs, signal }) {
      const service = await readService<StoredFunction>(home, id)
      if (!service) return serviceGone(id)
      const title = `${inputs.app.project}/${inputs.app.app} (deployment ${inputs.deployment})`
      const log = (): readonly string[] => tailOf(service.logFile)
      const exit = exitOf(serviceStatus(home, id), elapsedMs)
      if (exit) return failedWith(new PilotError('UNHEALTHY', `${title} could not be started`, { reason: exit.error ?? (exit.code === undefined ? `signal ${exit.signal}` : `exit code ${exit.code}`), details: { log: log() } }))
      const state = await askFunction(home, { name: id, port: service.port, signal }).catch(() => undefined)
      if (state?.state === 'ready') return { status: 'ready', outputs: outputsOf(service) }
      if (state?.state !== 'failed' && elapsedMs < initMs + 15_000) return { status: 'pending', retryAfterMs: Math.min(500, 20 + Math.round(elapsedMs / 10)), message: `loading ${inputs.handler}` }
      const { type, message } = state?.error ?? { type: 'Runtime.InitTimeout', message: 'It did not answer' }
      return failedWith(new PilotError('UNHEALTHY', `${title} did not load its handler ${inputs.handler}`, { reason: `${type}: ${message}`, suggestion: suggestionFor(type), details: { log: log() } }))
    },
  })
}

const portName = (id: string): string => `process/${id}`

/** Node is told its limit, so that it collects its garbage in time. */
function workerCommand({ language, node, programs, memoryBytes }: { language: Language; node: string; programs: FunctionPrograms; memoryBytes: number }): readonly string[] {
  if (language === 'python') return ['python3', programs.python]
  return [node, '--disable-warning=ExperimentalWarning', '--enable-source-maps', `--max-old-space-size=${Math.max(16, Math.floor((memoryBytes / 1024 ** 2) * 0.8))}`, programs.node]
}

const suggestions: Readonly<Record<string, string>> = {
  'Runtime.HandlerNotFound': 'Write what the file exports into `function:`, after the last dot.',
  'Runtime.ImportModuleError': 'Write the file without its ending into `function:`, then a dot and what it exports.',
  'Runtime.InitTimeout': 'Do less while the file is loaded: connect when the first event comes.',
}
const suggestionFor = (type: string): string => suggestions[type] ?? 'The file is loaded before any event comes: what it does then must not fail. Its last lines tell more.'
