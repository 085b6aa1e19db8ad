import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { ensureEdge } from '../edge/client.ts'
import type { Home } from '../home/home.ts'
import { endHome, startApp, temporaryHome, type TestApp } from './fixtures.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

/** One edge in a home of its own for all tests of a file, and apps that end with the test that started them. */
export function useEdge(purpose: string) {
  let home: Home
  let port: number
  const apps: TestApp[] = []

  beforeAll(async () => {
    home = await temporaryHome(purpose)
    port = (await ensureEdge(home)).port
  })
  afterAll(async () => endHome(home))
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()))
  })

  return {
    get home(): Home {
      return home
    },
    get port(): number {
      return port
    },

    async app(...args: Parameters<typeof startApp>): Promise<TestApp> {
      const started = await startApp(...args)
      apps.push(started)
      return started
    },

    /** Without an agent of its own every request is a new connection. */
    async get(host: string, { body, ...options }: RequestOptions & { body?: Buffer } = {}): Promise<Answer> {
      return await new Promise((resolve, reject) => {
        const request = httpRequest({ host: '127.0.0.1', port, agent: false, ...options, headers: { host, ...(options.headers as object) } }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
          response.on('end', () => {
            const whole = Buffer.concat(chunks)
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, text: whole.toString() })
          })
        })
        request.on('error', reject)
        request.end(body)
      })
    },

    /** Bytes as they are, and what comes back until the edge closes. */
    async raw(bytes: string, { waitMs = 3_000 }: { waitMs?: number } = {}): Promise<string> {
      return await new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
        let text = ''
        const timer = setTimeout(() => socket.destroy(), waitMs)
        socket.on('data', (chunk) => (text += chunk.toString('latin1')))
        socket.on('error', () => {})
        socket.on('close', () => {
          clearTimeout(timer)
          resolve(text)
        })
      })
    },
  }
}
