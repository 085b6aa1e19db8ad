import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createAccount, type Account, type AccountControl, type CloudRequest } from './account.ts'

/**
 * `POST /<account>/call` is the cloud's interface, `POST /<account>/control` the test's: `{ method, params }` of
 * AccountControl. Accounts know nothing of each other and come to be when they are first named.
 */
export function createFakeCloudServer(): Server {
  const accounts = new Map<string, Account>()
  return createServer((request, response) => {
    serve({ request, response, accounts }).catch((error: unknown) => send(response, 500, { message: String(error) }))
  })
}

async function serve({ request, response, accounts }: { request: IncomingMessage; response: ServerResponse; accounts: Map<string, Account> }): Promise<void> {
  const [, name = '', door] = (request.url ?? '').split('/')
  const account = accounts.get(name) ?? createAccount()
  accounts.set(name, account)
  const body = await readJson(request)
  if (door === 'call') {
    const result = await account.call(body as CloudRequest)
    if (result === 'closed') response.destroy()
    else send(response, result.status, result.body)
  } else if (door === 'control') {
    const { method, params } = body as { method: keyof AccountControl; params: unknown[] }
    const result = await (account.control[method] as (...params: unknown[]) => unknown)(...params)
    send(response, 200, result ?? null)
  } else send(response, 404, { message: 'Call or control?' })
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
