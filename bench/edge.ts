/**
 * The edge against a direct connection and against whichever of HAProxy, nginx and Caddy is on PATH: `npx node --conditions=@pilot/source
 * bench/edge.ts [--seconds 4] [--connections 16] [--json]`. Ratios of one run on one machine are the result; the numbers alone say little.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureEdge, openHome, putRoute, removeHome, serviceStatus, stopSupervisor } from '@pilot/host'
import { compare, freePort, isOnPath, pinToFirstCore, residentMB, round, startPinned, type Figures, type Subject } from './http-load.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' }, connections: { type: 'string', default: '16' }, runs: { type: 'string', default: '3' }, idle: { type: 'string', default: '5000' }, json: { type: 'boolean', default: false }, role: { type: 'string' }, port: { type: 'string', default: '0' } } })
const host = 'app.bench.localhost'
const body = 'x'.repeat(1024)

if (values.role === 'origin') origin()
else await main()

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'pilot-bench-edge-'))
  const children: ChildProcess[] = []
  const home = await openHome(join(work, 'home'))
  try {
    const originPort = await freePort()
    children.push(await startPinned(1, process.execPath, ['--conditions=@pilot/source', import.meta.filename, '--role', 'origin', '--port', String(originPort)], originPort))
    const { port } = await ensureEdge(home)
    const pid = serviceStatus(home, 'edge')?.process?.pid as number
    pinToFirstCore(pid)
    await putRoute(home, { id: 'bench', app: { project: 'bench', app: 'app', environment: 'production' }, hosts: [host], weights: [{ deployment: 'd1', percent: 100, upstreams: [{ host: '127.0.0.1', port: originPort }] }] })

    const subjects: Subject[] = [{ name: 'direct', port: originPort, pid: undefined }, { name: 'edge', port, pid }]
    for (const proxy of await otherProxies(work, originPort)) {
      try {
        const child = await startPinned(0, proxy.command, proxy.args, proxy.port)
        children.push(child)
        subjects.push({ name: proxy.name, port: proxy.port, pid: child.pid })
      } catch (error) {
        console.error(`without ${proxy.name}: ${(error as Error).message}`)
      }
    }

    const best = compare(subjects, { host, path: '/', seconds: Number(values.seconds), connections: Number(values.connections) }, Number(values.runs))
    // One request at a time: what a hop costs, not what a queue does.
    const alone = compare(subjects, { host, path: '/', seconds: Number(values.seconds), connections: 1 }, Number(values.runs))
    const none = alone.get('direct') as Figures
    const idle = new Map<string, number | undefined>()
    for (const { name, port: of, pid: whose } of subjects) if (whose !== undefined) idle.set(name, await memoryAtRest(of, whose))
    const direct = best.get('direct')?.requestsPerSecond ?? 1
    const rows = subjects.map(({ name, pid: of }) => ({ name, ...(best.get(name) as Figures), ratio: round((best.get(name)?.requestsPerSecond ?? 0) / direct, 2), ...(of === undefined ? {} : { addedP50Ms: round((alone.get(name) as Figures).p50Ms - none.p50Ms, 3), addedP99Ms: round((alone.get(name) as Figures).p99Ms - none.p99Ms, 3), idleMB: idle.get(name) }), residentMB: of === undefined ? undefined : residentMB(of) }))
    if (values.json) console.log(JSON.stringify(rows))
    else {
      console.log(`| | requests/s | of direct | p50 ms | p99 ms | requests per CPU second | added p50 ms | added p99 ms | memory with ${values.idle} idle connections |\n|---|---|---|---|---|---|---|---|---|`)
      for (const row of rows) console.log(`| ${row.name} | ${row.requestsPerSecond} | ${row.ratio} | ${row.p50Ms} | ${row.p99Ms} | ${row.perCpuSecond ?? ''} | ${row.addedP50Ms ?? ''} | ${row.addedP99Ms ?? ''} | ${row.idleMB === undefined ? '' : `${row.idleMB} MB`} |`)
      console.log(`load of the machine: ${loadavg().map((load) => load.toFixed(1)).join(', ')}`)
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await stopSupervisor(home, { services: 'stop' })
    await removeHome(home)
    await rm(work, { recursive: true, force: true })
  }
}

/** Connections that have had an answer and wait for the next request; the proxy's memory with them, after what had load before. */
async function memoryAtRest(port: number, pid: number): Promise<number | undefined> {
  const sockets: Socket[] = []
  try {
    while (sockets.length < Number(values.idle)) {
      sockets.push(
        ...(await Promise.all(
          Array.from(
            { length: 100 },
            () =>
              new Promise<Socket>((resolve, reject) => {
                const socket = connect(port, '127.0.0.1', () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`))
                let received = 0
                socket.on('data', (chunk: Buffer) => (received += chunk.length) > body.length && resolve(socket))
                socket.once('error', reject)
              }),
          ),
        )),
      )
    }
    return residentMB(pid)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

async function otherProxies(work: string, origin: number): Promise<readonly { name: string; command: string; args: string[]; port: number }[]> {
  const found = []
  if (isOnPath('haproxy')) {
    const port = await freePort()
    const file = join(work, 'haproxy.cfg')
    await writeFile(file, `global\n  nbthread 1\n  maxconn 7000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  option forwardfor\n  http-reuse always\nlisten l\n  bind 127.0.0.1:${port}\n  server s 127.0.0.1:${origin}\n`)
    found.push({ name: 'HAProxy', command: 'haproxy', args: ['-f', file], port })
  }
  if (isOnPath('nginx')) {
    const port = await freePort()
    const file = join(work, 'nginx.conf')
    await writeFile(
      file,
      `daemon off;\nworker_processes 1;\npid ${work}/nginx.pid;\nerror_log stderr;\nworker_rlimit_nofile 20000;\nevents { worker_connections 12000; }\nhttp {\n  access_log off;\n  client_body_temp_path ${work}/b; proxy_temp_path ${work}/p; fastcgi_temp_path ${work}/f; uwsgi_temp_path ${work}/u; scgi_temp_path ${work}/s;\n  upstream o { server 127.0.0.1:${origin}; keepalive 64; }\n  server { listen 127.0.0.1:${port}; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } }\n}\n`,
    )
    found.push({ name: 'nginx', command: 'nginx', args: ['-p', work, '-c', file], port })
  }
  if (isOnPath('caddy')) {
    const port = await freePort()
    const file = join(work, 'Caddyfile')
    await writeFile(file, `{\n  admin off\n  auto_https off\n}\nhttp://:${port} {\n  reverse_proxy 127.0.0.1:${origin}\n}\n`)
    found.push({ name: 'Caddy', command: 'env', args: ['GOMAXPROCS=1', `XDG_DATA_HOME=${work}`, `XDG_CONFIG_HOME=${work}`, 'caddy', 'run', '--config', file], port })
  }
  return found
}

function origin(): void {
  createServer((_, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body)).listen(Number(values.port), '127.0.0.1')
}
