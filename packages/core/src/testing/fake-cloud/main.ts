/**
 * The fake cloud as a process of its own: `node main.js [PORT]`. Prints one line of JSON with its address and ends when its
 * standard input ends, that is, with whoever started it; clients come and go, or are killed.
 */
import type { AddressInfo } from 'node:net'
import { createFakeCloudServer } from './server.ts'

const server = createFakeCloudServer()
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
})
process.stdin.on('end', () => process.exit(0)).resume()
