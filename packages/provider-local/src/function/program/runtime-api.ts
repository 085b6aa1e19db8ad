import type { AddressInfo } from 'node:net'
import { createServer, readBody, type IncomingMessage, type Server, type ServerResponse } from './node-http.ts'
import { errorFrom } from './outcome.ts'
import type { Task, WorkerCalls } from './pool.ts'

/** AWS's limit for what a handler is given and what it returns, both ways. */
export const payloadLimit = 6 * 1024 * 1024

const path = /^\/([0-9a-f]{32})\/2018-06-01\/runtime\/(?:invocation\/(next)|invocation\/([\w-]+)\/(response|error)|init\/(error))$/

/** The runtime API of AWS Lambda (version 2018-06-01), for workers: the first part of each path is the worker's token. Resolves to host and port. */
export async function serveRuntimeApi(workers: WorkerCalls): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    handle(workers, request, response).catch((error: Error) => {
      if (!response.headersSent) answer(response, 500, { errorType: 'InternalServerError', errorMessage: error.message })
    })
  })
  // A worker without work waits for as long as there is none.
  server.requestTimeout = 0
  server.timeout = 0
  // Nor is a connection idle while a handler works.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

async function handle(workers: WorkerCalls, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, token, isNext, requestId = '', what, isInit] = path.exec(request.url ?? '') ?? []
  if (token === undefined) return answer(response, 404, { errorType: 'NotFound', errorMessage: 'No such path' })
  if (isNext !== undefined) {
    const task = await workers.next(token)
    return task === undefined ? answer(response, 403, { errorType: 'Forbidden', errorMessage: 'No such worker' }) : give(response, task)
  }
  const body = await readBody(request, payloadLimit)
  if (body === undefined) {
    workers.failed(token, requestId, { type: 'Function.ResponseSizeTooLarge', message: 'It returned more than 6 MB' })
    return answer(response, 413, { errorType: 'RequestEntityTooLarge', errorMessage: 'It returned more than 6 MB' })
  }
  const error = errorFrom(body, 'It failed without a message')
  const isKnown = isInit !== undefined ? workers.initFailed(token, error) : what === 'error' ? workers.failed(token, requestId, error) : workers.done(token, requestId, body)
  answer(response, isKnown ? 202 : 400, isKnown ? { status: 'OK' } : { errorType: 'InvalidRequestID', errorMessage: 'Nobody waits for this' })
}

function give(response: ServerResponse, { requestId, event, deadline }: Task): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'lambda-runtime-aws-request-id': requestId,
    'lambda-runtime-deadline-ms': String(deadline),
    'lambda-runtime-invoked-function-arn': `arn:pilot:lambda:local:0:function:${process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? 'function'}`,
  })
  response.end(event)
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
