import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { probe } from './probe.ts'

const asked: (string | undefined)[] = []
const server = createServer((request, response) => {
  asked.push(request.url)
  response.end()
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise((resolve) => server.close(resolve)))

test.each([
  ['/healthz', '/healthz'],
  ['/gesündheit', '/ges%C3%BCndheit'],
  ['/łódź/健康?of=дб', '/%C5%82%C3%B3d%C5%BA/%E5%81%A5%E5%BA%B7?of=%D0%B4%D0%B1'],
  ['/written%20so/100%25', '/written%20so/100%25'],
  ['/a"b<c>{d}|e\\', '/a%22b%3Cc%3E%7Bd%7D%7Ce%5C'],
])('a path is asked for as a browser would: %s', async (path, expected) => {
  const { port } = server.address() as AddressInfo
  expect(await probe({ port, path, timeoutMs: 2_000 })).toEqual({ kind: 'answered', status: 200 })
  expect(asked.at(-1)).toBe(expected)
})
