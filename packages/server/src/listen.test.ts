import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Api } from './api/app.ts'
import { openTransport, textOf } from './client/transport.ts'
import { listenOnSocket } from './listen.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilot-listen-'))
})

afterEach(() => rm(folder, { recursive: true }))

const answering = (text: string): Api => Object.assign((...[, response]: Parameters<RequestListener>) => void response.end(text), { upgrade: () => {} })

test('a server that closes leaves the socket of one that took its place', async () => {
  // The home of the first one was deleted under it, and another made there.
  const path = join(folder, 'server.sock')
  const first = await listenOnSocket(answering('first'), path)
  const second = await listenOnSocket(answering('second'), path)
  await first.close()
  const client = openTransport({ socketPath: path })
  expect(await textOf(await client.send({ method: 'GET', path: '/' }))).toBe('second')
  client.close()
  await second.close()
})
