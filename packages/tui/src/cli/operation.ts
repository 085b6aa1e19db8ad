import { randomUUID } from 'node:crypto'
import { catalogue, isPilotError, PilotError, type ErrorBody } from '@pilot/core/errors'
import type { Operation, OperationRequest, StreamEvent } from '@pilot/server/contract'
import type { CommandContext } from './context.ts'
import { createRenderer, type ProgressRenderer } from './progress/renderer.ts'
import { renderError } from './render-error.ts'
import { reachableUrl } from './reachable-url.ts'

export interface OperationResult {
  readonly exit: number
  readonly outcome: 'done' | 'failed' | 'cancelled' | 'detached'
  /** As the server knows it at the end, with the results of its jobs. */
  operation(): Promise<Operation>
  /** Of the main app, in a form that this machine resolves. */
  readonly url?: string
  /** Where what was staged answers, by app. */
  readonly staged: ReadonlyMap<string, string>
}

/**
 * Asks the server for an operation and shows it to its end. Errors of the operation are shown here and come back as an exit
 * code; what went wrong before it began is thrown.
 *
 * The first Ctrl-C cancels and waits for the clean end, the second leaves it to the server. When the server goes away in the
 * middle, the events are read on from where they stopped.
 */
export async function runOperation(context: CommandContext, request: OperationRequest, options: WatchOptions = {}): Promise<OperationResult> {
  const { operation, isCancelled } = await begin(context, request)
  return await watchOperation(context, operation.id, { ...options, isCancelled })
}

/** A request that is under way may arrive: an interrupt meanwhile cancels what it begins, instead of leaving it to go on unseen. */
async function begin(context: CommandContext, request: OperationRequest): Promise<{ operation: Operation; isCancelled: boolean }> {
  const client = await context.client()
  const leave = Promise.withResolvers<never>()
  let interrupts = 0
  using _handler = context.onInterrupt(() => {
    interrupts++
    if (interrupts > 1) leave.reject(new PilotError('CANCELLED', 'Left before the server answered.', { suggestion: '`jobs` shows whether it has begun, and `cancel` ends it.' }))
  })
  const begun = client.request('startOperation', { body: { requestId: randomUUID(), ...request } as OperationRequest })
  const { operation } = await Promise.race([begun, leave.promise])
  return { operation, isCancelled: interrupts > 0 }
}

export interface WatchOptions {
  /** The command goes on after it: with `--json` its success is not the last line, so it is left out. */
  readonly partOfMore?: boolean
  /** The operation is about another project than the folder the user is in: hints about its apps have to name it. */
  readonly project?: string
  /** The user has interrupted already. */
  readonly isCancelled?: boolean
}

export async function watchOperation(context: CommandContext, id: string, { partOfMore = false, project, isCancelled = false }: WatchOptions = {}): Promise<OperationResult> {
  const { output } = context
  using renderer = createRenderer({ terminal: context.terminal, form: context.form, silent: output.json || output.quiet })
  const leave = Promise.withResolvers<'left'>()
  let interrupts = 0
  const interrupt = (): void => {
    interrupts++
    if (interrupts > 1) return leave.resolve('left')
    renderer.note('Cancelling: waiting for the steps that are under way to end. Ctrl-C again leaves that to the server.')
    void requestCancel(context, id, renderer)
  }
  using _handler = context.onInterrupt(interrupt)
  if (isCancelled) interrupt()

  const stop = new AbortController()
  const showLog = followLog(context, { id, renderer, signal: stop.signal })
  const addresses: Addresses = new Map()
  const staged = new Map<string, string>()
  const last = await Promise.race([readToEnd(context, { id, renderer, addresses, staged, partOfMore, signal: stop.signal }), leave.promise])
  stop.abort()
  await showLog
  renderer[Symbol.dispose]()
  if (last === 'left') return left(context, id)

  if (last.outcome !== 'done') showErrors(context, { renderer, error: last.error, cancelled: last.outcome === 'cancelled', project })
  return { exit: exitOf(last), outcome: last.outcome, operation: () => operationAtEnd(context, id), staged, ...(last.url === undefined ? {} : { url: addresses.get(last.url) ?? last.url }) }
}

/** From the address of an app to the form of it that this machine resolves. */
type Addresses = Map<string, string>
type LastEvent = Extract<StreamEvent, { type: 'operation.finished' }>

async function readToEnd(context: CommandContext, { id, renderer, addresses, staged, partOfMore, signal }: { id: string; renderer: ProgressRenderer; addresses: Addresses; staged: Map<string, string>; partOfMore: boolean; signal: AbortSignal }): Promise<LastEvent> {
  let after = 0
  for (let lost = false; ; ) {
    try {
      const client = await context.client()
      for await (const event of client.events(id, { after, signal, patienceMs: lost ? 120_000 : 500 })) {
        if (lost) renderer.note('The server answers again.')
        lost = false
        after = event.seq
        if (event.type === 'app.released') addresses.set(event.url, await reachableUrl(event))
        if (event.type === 'app.staged' && event.address !== undefined) staged.set(event.app, event.address)
        if (!partOfMore || event.type !== 'operation.finished' || event.outcome !== 'done') context.output.event(forPrograms(event, addresses))
        renderer.event(event.type === 'app.released' ? { ...event, url: addresses.get(event.url)! } : event)
        if (event.type === 'operation.finished') return event
      }
      // The user left: that is no end of the server.
      if (signal.aborted) return await new Promise<never>(() => {})
      throw new PilotError('SERVER_UNREACHABLE', 'The events of the operation ended without an outcome.')
    } catch (error) {
      if (signal.aborted) return await new Promise<never>(() => {})
      if (lost || !isPilotError(error) || error.code !== 'SERVER_UNREACHABLE') throw error
      lost = true
      renderer.note('The server does not answer; waiting for it to come back. The work goes on when it does.')
    }
  }
}

/** Programs get an address that this machine can resolve as `url`, and the one for browsers as `hostUrl`. */
function forPrograms(event: StreamEvent, addresses: Addresses): Readonly<Record<string, unknown>> {
  const { v, seq, at, type, ...rest } = event
  const address = event.type === 'operation.finished' && event.url !== undefined ? addresses.get(event.url) : undefined
  return { v, seq, at, type, ...rest, ...(address === undefined || address === (rest as { url?: string }).url ? {} : { url: address, hostUrl: (rest as { url?: string }).url }) }
}

/** The newest line of build output belongs to what a person sees while it runs; programs find the log by `jobs`. */
async function followLog(context: CommandContext, { id, renderer, signal }: { id: string; renderer: ProgressRenderer; signal: AbortSignal }): Promise<void> {
  if (context.output.json || context.output.quiet) return
  try {
    const client = await context.client()
    for await (const { text } of client.log(id, { follow: true, signal })) {
      const line = text.trimEnd().split('\n').at(-1)
      if (line) renderer.log(line)
    }
  } catch {
    // The log is an extra here: what matters arrives as events.
  }
}

async function requestCancel(context: CommandContext, id: string, renderer: ProgressRenderer): Promise<void> {
  try {
    await (await context.client()).request('cancelOperation', { params: { id } })
  } catch (error) {
    renderer.note(`The server could not be asked to cancel: ${(error as Error).message}`)
  }
}

const operationAtEnd = async (context: CommandContext, id: string): Promise<Operation> => (await context.client()).request('operation', { params: { id } })

function left(context: CommandContext, id: string): OperationResult {
  context.output.error(`Left. The server ends it by itself; \`${context.typed('jobs')}\` shows how it goes.`)
  context.output.event({ v: 1, at: new Date().toISOString(), type: 'client.left', operation: id })
  return { exit: 130, outcome: 'detached', operation: () => operationAtEnd(context, id), staged: new Map() }
}

/** Every app's error, the first one last: what stands next to the prompt is read. */
function showErrors(context: CommandContext, { renderer, error, cancelled, project }: { renderer: ProgressRenderer; error: ErrorBody | undefined; cancelled: boolean; project: string | undefined }): void {
  const { output, form } = context
  if (output.json) return
  const others = renderer.progress.errors.filter((other) => other.error.message !== error?.message && other.error.code !== 'CANCELLED').map((other) => other.error)
  const shown = error === undefined ? others : [...others, error]
  if (cancelled && error === undefined) output.error('Cancelled. What was done is kept; the release that had the traffic still has it.')
  for (const body of shown) output.error(renderError(project === undefined ? body : { ...body, suggestion: body.suggestion.replaceAll(/`secret set [^`]+(?=`)/g, `$& -p ${project}`) }, { form, style: output.err, width: context.terminal.stderr.columns }))
}

function exitOf({ outcome, error }: LastEvent): number {
  if (outcome === 'done') return 0
  if (outcome === 'cancelled') return 130
  return error === undefined ? 1 : (catalogue[error.code]?.exit ?? 1)
}
