import { request } from 'node:http'
import { functionToken, type Home } from '@pilot/host'

/** A question to the queue of an app that only Pilot may ask; `service` is the name of its service. */
export function askQueue(home: Home, { service, port, path, body = {}, signal }: { readonly service: string; readonly port: number; readonly path: string; readonly body?: object; readonly signal?: AbortSignal }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', agent: false, headers: { 'x-pilot-function-token': functionToken(home, service) }, ...(signal ? { signal } : {}) }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`The queue answers ${response.statusCode}: ${text.slice(0, 200)}`))))
    })
    asked.on('error', reject)
    asked.end(JSON.stringify(body))
  })
}
