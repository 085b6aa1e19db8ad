import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Home } from '../home/home.ts'
import { isPortFree, reservePort } from '../home/ports.ts'
import { endHome, routeTo, startApp, temporaryHome, until } from '../testing/fixtures.ts'
import { ensureEdge, putLink, putRoute, removeLink } from './client.ts'

let home: Home

beforeAll(async () => {
  home = await temporaryHome('links')
  await ensureEdge(home)
})

afterAll(async () => endHome(home))

async function answerOf(port: number): Promise<readonly [number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}/`)
  return [response.status, await response.text()]
}

test('a link opens a listener to another app, for those who may', async () => {
  const it = await startApp((_, response) => response.end('linked'))
  await putRoute(home, routeTo('mailer', it.port))
  const [open, shut] = [await reservePort(home, 'test/link-open'), await reservePort(home, 'test/link-shut')]
  await putLink(home, { id: 'link-open', listen: { host: '127.0.0.1', port: open }, allowFrom: ['127.0.0.0/8'], to: { route: 'mailer' } })
  await putLink(home, { id: 'link-shut', listen: { host: '127.0.0.1', port: shut }, allowFrom: ['172.18.0.0/16', 'fd00::/8'], to: { route: 'mailer' } })
  expect(await answerOf(open)).toEqual([200, 'linked'])
  expect((await answerOf(shut))[0]).toBe(403)
  await removeLink(home, 'link-open')
  await removeLink(home, 'link-shut')
  await until(async () => await isPortFree(open))
  await it.close()
})

test('a link to an address carries bytes, and refuses strangers before a byte', async () => {
  const seen: string[] = []
  const database = createTcpServer((socket: Socket) => socket.on('data', (data) => (seen.push(String(data)), socket.write(`got ${data}`))).on('error', () => {}))
  await new Promise<void>((resolve) => database.listen(0, '127.0.0.1', resolve))
  const listen = { host: '127.0.0.1', port: await reservePort(home, 'test/database') }
  const to = { tcp: { host: '127.0.0.1', port: (database.address() as AddressInfo).port } }
  const talk = async (): Promise<string> =>
    await new Promise((resolve) => {
      const socket = connect(listen.port, listen.host, () => socket.write('hello'))
      socket.once('data', (data) => (resolve(String(data)), socket.destroy())).once('close', () => resolve('closed')).on('error', () => {})
    })
  await putLink(home, { id: 'database', listen, to })
  expect(await talk()).toBe('got hello')
  await putLink(home, { id: 'database', listen, to, allowFrom: ['10.0.0.0/8'] })
  expect(await talk()).toBe('closed')
  expect(seen).toEqual(['hello'])
  await removeLink(home, 'database')
  await new Promise((resolve) => database.close(resolve))
})
