import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { useEdge } from '../testing/edge-fixture.ts'
import { routeTo } from '../testing/fixtures.ts'
import { putRoute, removeRoute } from './client.ts'

const edge = useEdge('paused')
const { app, get } = edge

test('requests to a paused app wait for what comes next, with their bodies, and one that leaves harms nobody', async () => {
  const next = await app((request, response) => request.pipe(response))
  await putRoute(edge.home, routeTo('paused', [], { paused: true }))
  let answered = 0
  const waiting = ['GET', 'POST', 'POST'].map((method) => get('paused.acme.localhost', { method, ...(method === 'POST' ? { body: randomBytes(300_000) } : {}) }).finally(() => answered++))
  const left = httpRequest({ host: '127.0.0.1', port: edge.port, agent: false, headers: { host: 'paused.acme.localhost' } }).on('error', () => {})
  left.end()
  await putRoute(edge.home, routeTo('another', next.port))
  expect((await get('another.acme.localhost')).status).toBe(200)
  left.destroy()
  expect(answered).toBe(0)
  await putRoute(edge.home, routeTo('paused', next.port))
  expect((await Promise.all(waiting)).map(({ status, body }) => [status, body.length])).toEqual([[200, 0], [200, 300_000], [200, 300_000]])
})

test('a WebSocket to a paused app opens with what comes next', async () => {
  const next = await app((_, response) => response.end())
  const sockets = new WebSocketServer({ server: next.server })
  await putRoute(edge.home, routeTo('paused-chat', [], { paused: true }))
  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/`, { headers: { host: 'paused-chat.acme.localhost' } })
  const opened = new Promise<string>((resolve) => client.once('open', () => resolve('open')).once('error', (error) => resolve(error.message)))
  expect(await Promise.race([opened, sleep(200, 'waits')])).toBe('waits')
  await putRoute(edge.home, routeTo('paused-chat', next.port))
  expect(await opened).toBe('open')
  client.terminate()
  sockets.close()
})

test('a paused app that goes is answered for', async () => {
  await putRoute(edge.home, routeTo('going', [], { paused: true }))
  const waiting = get('going.acme.localhost')
  await sleep(50)
  await removeRoute(edge.home, 'going')
  expect((await waiting).status).toBeOneOf([404, 503])
})
