import { request } from 'node:http'
import { PilotError, type InvokeResult } from '@pilot/core'
import { functionToken, type Home } from '@pilot/host'
import type { Outcome } from './program/outcome.ts'
import type { PoolState } from './program/pool.ts'

interface Place {
  /** Of its service. */
  readonly name: string
  readonly port: number
  readonly signal: AbortSignal
}

/** What the function host of a deployment says of itself. */
export const askFunction = async (home: Home, place: Place): Promise<PoolState> => JSON.parse(await ask(home, place)) as PoolState

/** Calls the function with an event, and waits for as long as it takes. */
export async function callFunction(home: Home, { event, ...place }: Place & { readonly event: string }): Promise<InvokeResult> {
  const outcome = JSON.parse(await ask(home, place, event)) as Omit<Outcome, 'payload'> & { readonly payload?: string; readonly error?: InvokeResult extends infer R ? Extract<R, { error: unknown }>['error'] : never }
  const { requestId, payload, error } = outcome
  return error === undefined ? { requestId, payload: payload ?? 'null' } : { requestId, error }
}

function ask(home: Home, { name, port, signal }: Place, event?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-pilot-function-token': functionToken(home, name), 'content-type': 'application/json' }
    const asked = request({ host: '127.0.0.1', port, method: event === undefined ? 'GET' : 'POST', agent: false, headers, signal }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(refused(response.statusCode, text))))
    })
    asked.on('error', reject)
    asked.end(event)
  })
}

function refused(status: number | undefined, text: string): PilotError {
  return status === 413 ? new PilotError('USAGE', 'The event is larger than 6 MB', { reason: 'AWS Lambda takes no larger ones either.' }) : new PilotError('INTERNAL', `The function host answers ${status}`, { reason: text.slice(0, 500) })
}
