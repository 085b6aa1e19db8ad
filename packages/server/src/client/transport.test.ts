import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { packSource, PilotError } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTransport, type Transport } from './transport.ts'

let dir: string
let server: Server | undefined
let transport: Transport
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-transport-'))
  transport = openTransport({ socketPath: join(dir, 'server.sock') })
})
afterEach(async () => {
  transport.close()
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
  server = undefined
  await rm(dir, { recursive: true })
})

const listen = async (answer: RequestListener): Promise<void> => {
  server = createServer(answer)
  await new Promise<void>((resolve) => server!.listen(join(dir, 'server.sock'), resolve))
}
const put = (body: Readable) => transport.send({ method: 'PUT', path: '/v1/sources/x', body })

const unreadable = new PilotError('SOURCE_UNREADABLE', 'Cannot read src/secret.txt')
const breaksAfter = (chunks: number, error: Error): Readable =>
  Readable.from(
    (async function* () {
      for (let n = 0; n < chunks; n++) yield Buffer.alloc(64 * 1024)
      throw error
    })(),
  )

test.each([0, 1, 50])('a body that breaks after %i chunks is told by its own error', async (chunks) => {
  await listen((request) => void request.resume())
  await expect(put(breaksAfter(chunks, unreadable))).rejects.toBe(unreadable)
})

test('a body that broke before it was sent is told by its own error', async () => {
  await listen((request) => void request.resume())
  const body = breaksAfter(0, unreadable)
  await new Promise((resolve) => body.resume().once('error', resolve))
  await expect(put(body)).rejects.toBe(unreadable)
})

test('a source that changes after it was read is told as that', async () => {
  await listen((request) => void request.resume())
  const folder = join(dir, 'source')
  await mkdir(folder)
  await writeFile(join(folder, 'index.html'), 'hello')
  const source = await packSource({ dir: folder })
  await writeFile(join(folder, 'index.html'), 'hallo')
  await expect(put(source.openTarGz())).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
})

test('a server that goes away in the middle is still told as such', async () => {
  await listen((request) => void request.socket.destroy())
  await expect(put(breaksAfter(1000, unreadable))).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
})

test('so is one that is not there', async () => {
  await expect(put(Readable.from(['x']))).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE', reason: 'ENOENT' })
})
