import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Home } from '../home/home.ts'
import { endHome, routeTo, temporaryHome } from '../testing/fixtures.ts'
import { hearRequests, sendRaw, startRawApp, type HeardRequest, type RawApp } from '../testing/raw-http.ts'
import { corpusHost, requestCorpus } from '../testing/request-corpus.ts'
import { ensureEdge, putRoute } from './client.ts'

let home: Home
let port: number
let app: RawApp
const heard: HeardRequest[] = []

beforeAll(async () => {
  home = await temporaryHome('malformed')
  port = (await ensureEdge(home)).port
  app = await startRawApp((socket) => hearRequests(socket, (request) => (heard.push(request), socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))))
  await putRoute(home, routeTo('corpus', app.port, { hosts: [corpusHost] }))
})

afterAll(async () => {
  await endHome(home)
  await app.close()
})

/** What the app has heard of these bytes, and what came back; a request after them shows that nothing else is on its way. */
async function passOn(bytes: string): Promise<{ readonly statuses: readonly string[]; readonly closed: boolean; readonly heard: readonly string[] }> {
  heard.length = 0
  const { text, closed } = await sendRaw(port, bytes)
  const after = await sendRaw(port, `GET /after HTTP/1.1\r\nHost: ${corpusHost}\r\nConnection: close\r\n\r\n`)
  expect(after.text).toMatch(/^HTTP\/1.1 200 /)
  const lines = heard.map(({ line, body }) => `${line.replace(/ HTTP\/1.1$/, '')} ${body}`.trimEnd())
  return { statuses: [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => status as string), closed, heard: lines[0] === 'GET /after' || lines.at(-1) === 'GET /after' ? lines.filter((line) => line !== 'GET /after') : lines }
}

test(`of ${requestCorpus.length} requests as nobody should send them each is refused, or reaches the app once with one meaning`, async () => {
  const wrong: object[] = []
  for (const { name, bytes, becomes } of requestCorpus) {
    const found = await passOn(bytes)
    const expected = typeof becomes === 'string' ? [] : becomes.map((line) => line.trimEnd())
    const right = becomes === 'refused' ? found.statuses.length === 1 && /^(4|50[15])/.test(found.statuses[0] as string) && found.heard.length === 0 : becomes === 'answered' ? found.statuses[0] === '204' && found.heard.length === 0 : JSON.stringify(found.heard) === JSON.stringify(expected) && found.statuses.join() === expected.map(() => 200).join()
    if (!right || !found.closed) wrong.push({ name, becomes, ...found })
  }
  expect(wrong).toEqual([])
})
