import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { listenersOfTree, parseListeners } from './listening.ts'

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const line = (address: string, { state = '0A', inode = '1' } = {}): string => `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0`

test('listening sockets are read from the kernel’s table, in both address families', () => {
  const text = [header, line('00000000:0BB8'), line('0100007F:1F90'), line('00000000000000000000000000000000:0FA0'), line('00000000000000000000000001000000:0FA1'), line('0000000000000000FFFF00000100007F:0FA2')].join('\n')
  expect(parseListeners(text)).toEqual([
    { port: 3000, loopbackOnly: false },
    { port: 4000, loopbackOnly: false },
    { port: 4001, loopbackOnly: true },
    { port: 4002, loopbackOnly: true },
    { port: 8080, loopbackOnly: true },
  ])
})

test('connections, other processes and the name server of Docker are left out', () => {
  const text = [line('00000000:0BB8', { state: '01' }), line('00000000:0BB9', { inode: '7' }), line('0B00007F:A0A0'), line('00000000:0BBA', { inode: '8' })].join('\n')
  expect(parseListeners(text, new Set(['8']))).toEqual([{ port: 3002, loopbackOnly: false }])
  expect(parseListeners(line('0B00007F:A0A0'))).toEqual([])
})

test('the listeners of a living process are found', async ({ skip }) => {
  skip(process.platform !== 'linux', 'this needs Linux: elsewhere nobody is told who listens')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  expect(await listenersOfTree(process.pid)).toContainEqual({ port, loopbackOnly: true })
  server.close()
})
