import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { formatWithOptions } from 'node:util'
import { Agent, httpRequest } from './node-http.ts'

/**
 * A worker for handlers in JavaScript and TypeScript: loads the handler, then fetches one event after the other from the runtime API.
 * That never ends, so what stands below is functions only: a constant would have no value yet.
 */
const { AWS_LAMBDA_RUNTIME_API: api = '', _HANDLER: wanted = '', LAMBDA_TASK_ROOT: root = process.cwd() } = process.env
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
let current: string | undefined

type Handler = (event: unknown, context: object, callback: (error: unknown, result?: unknown) => void) => unknown

logWithRequest()
process.on('uncaughtException', (error) => void die(error))
process.on('unhandledRejection', (error) => void die(error))
const handler = await load().catch(async (error: unknown) => {
  await post('init/error', errorBody(error)).catch(() => {})
  return process.exit(1)
})
for (;;) await handleNext()

async function handleNext(): Promise<void> {
  const { headers, body } = await call('GET', 'invocation/next').catch(() => process.exit(0))
  const requestId = String(headers['lambda-runtime-aws-request-id'])
  current = requestId
  const deadline = Number(headers['lambda-runtime-deadline-ms'])
  const arn = String(headers['lambda-runtime-invoked-function-arn'])
  try {
    const result = await invoke(JSON.parse(body.toString('utf8')), contextOf({ requestId, deadline, arn }))
    await post(`invocation/${requestId}/response`, JSON.stringify(result) ?? 'null')
  } catch (error) {
    await post(`invocation/${requestId}/error`, errorBody(error)).catch(() => process.exit(1))
  }
  current = undefined
}

/** A handler answers by what it returns, a promise or not, or through its third parameter. */
function invoke(event: unknown, context: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (error: unknown, result?: unknown): void => (error === undefined || error === null ? resolve(result) : reject(error as Error))
    const returned = handler(event, context, done)
    if (isPromise(returned) || handler.length < 3) resolve(returned)
  })
}

function contextOf({ requestId, deadline, arn }: { requestId: string; deadline: number; arn: string }): object {
  const { AWS_LAMBDA_FUNCTION_NAME: functionName, AWS_LAMBDA_FUNCTION_VERSION: functionVersion, AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memoryLimitInMB, AWS_LAMBDA_LOG_GROUP_NAME: logGroupName, AWS_LAMBDA_LOG_STREAM_NAME: logStreamName } = process.env
  return {
    functionName,
    functionVersion,
    memoryLimitInMB,
    logGroupName,
    logStreamName,
    invokedFunctionArn: arn,
    awsRequestId: requestId,
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  }
}

async function load(): Promise<Handler> {
  const dot = wanted.indexOf('.', wanted.lastIndexOf('/') + 1)
  const [file, exported] = [wanted.slice(0, dot), wanted.slice(dot + 1)]
  const found = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'].map((ending) => join(root, file + ending)).find((path) => existsSync(path))
  if (found === undefined) throw named('Runtime.ImportModuleError', `There is no file ${file}.js, .mjs, .cjs or .ts for the handler ${wanted}`)
  const module = (await import(pathToFileURL(found).href)) as Record<string, unknown>
  // What a CommonJS module exports is the default of its import.
  for (const from of [module, module['default']]) {
    const value = exported.split('.').reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], from)
    if (typeof value === 'function') return value as Handler
  }
  throw named('Runtime.HandlerNotFound', `${found.slice(root.length + 1)} exports no function ${exported}; it exports ${Object.keys(module).join(', ') || 'nothing'}`)
}

function call(method: string, path: string, body?: string): Promise<{ headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`http://${api}/2018-06-01/runtime/${path}`, { method, agent, headers: body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => ((response.statusCode ?? 500) < 300 ? resolve({ headers: response.headers, body: Buffer.concat(chunks) }) : reject(new Error(`The runtime API answers ${response.statusCode}`))))
    })
    request.on('error', reject)
    request.end(body)
  })
}

function post(path: string, body: string): Promise<unknown> {
  return call('POST', path, body)
}

async function die(error: unknown): Promise<void> {
  // The function host is gone, or has no use for this one any more.
  await post(current === undefined ? 'init/error' : `invocation/${current}/error`, errorBody(error)).catch(() => {})
  process.exit(1)
}

function errorBody(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify({ errorType: typeof error, errorMessage: typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error)), stackTrace: [] })
  return JSON.stringify({ errorType: error.name, errorMessage: error.message, stackTrace: (error.stack ?? '').split('\n') })
}

function named(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  error.stack = `${name}: ${message}`
  return error
}

/** As on AWS: time, request and level before each message. */
function logWithRequest(): void {
  const levels = { debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', trace: 'TRACE' } as const
  for (const [method, level] of Object.entries(levels) as [keyof typeof levels, string][]) {
    console[method] = (...words: unknown[]) => void process.stdout.write(`${new Date().toISOString()}\t${current ?? '-'}\t${level}\t${formatWithOptions({ colors: false }, ...words)}\n`)
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
