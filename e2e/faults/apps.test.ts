import { afterAll, beforeAll, test } from 'vitest'
import { openBench, type Bench, type Fault, type LiveApp } from './bench.ts'

/** Versions of an app that must not come live, as processes. */
let bench: Bench
let app: LiveApp
beforeAll(async () => {
  bench = await openBench({ runtime: 'process' })
  app = await bench.live('shop')
})
afterAll(() => bench?.[Symbol.asyncDispose]())

const http = (answer: string, listen = 'process.env.PORT') => `require('http').createServer((_, response) => { ${answer} }).listen(${listen})\n`

const cases: Readonly<Record<string, Fault>> = {
  'never becomes healthy': { files: { 'server.js': http('response.writeHead(503).end()'), 'pilot.yaml': 'project: shop\napps:\n  web: { health: { path: /, grace: 2s } }\n' }, code: 'UNHEALTHY', exit: 4, says: [/within 2 s/, /503/] },
  'never answers': { files: { 'server.js': http(''), 'pilot.yaml': 'project: shop\napps:\n  web: { health: { path: /, grace: 2s, timeout: 1s } }\n' }, code: 'UNHEALTHY', exit: 4, says: [/within 2 s/, /no answer|does not answer|silent/i] },
  'listens nowhere': { files: { 'server.js': 'setInterval(() => {}, 1000)\n', 'pilot.yaml': 'project: shop\napps:\n  web: { health: { path: /, grace: 2s } }\n' }, code: 'UNHEALTHY', exit: 4, says: [/within 2 s/] },
  'ends at once': { files: { 'server.js': `console.error('no config'); process.exit(3)\n` }, code: 'UNHEALTHY', exit: 4, says: [/stopped by itself/, /exit code 3/] },
  'ends at once with 0': { files: { 'server.js': '' }, code: 'UNHEALTHY', exit: 4, says: [/stopped by itself/, /has to keep running/] },
  'listens on another port': { files: { 'server.js': http('response.end()', '0'), 'pilot.yaml': 'project: shop\napps:\n  web: { health: { path: /, grace: 2s } }\n' }, code: 'WRONG_PORT', exit: 4, says: [/listens on port \d+, not on \d+/, /PORT/] },
  'has a start script that is not there': { files: { 'package.json': '{ "name": "app", "scripts": { "start": "nowhere-to-be-found" } }' }, code: 'UNHEALTHY', exit: 4, says: [/127|not found/] },
  'throws as it starts': { files: { 'server.js': `throw new Error('\\u001b]0;owned\\u0007\\u001b[31mbroken')\n` }, code: 'UNHEALTHY', exit: 4, says: [/exit code 1/] },
}

test.for(Object.entries(cases))('one that %s', async ([, fault]) => {
  await app.fault(fault)
})
