/**
 * The edge against a direct connection and against whichever of HAProxy, nginx and Caddy is on PATH: `npx node --conditions=@pilot/source
 * bench/edge.ts [--seconds 4] [--connections 16] [--json]`. Ratios of one run on one machine are the result; the numbers alone say little.
 *
 * With `taskset` the proxy has one core to itself and origin and load share another. The load comes from wrk where it is on
 * PATH, else from a small generator below. Requests per second of the proxy's own CPU time (Linux) hardly depend on what else
 * the machine does: what one core could carry.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ensureEdge, isPortFree, openHome, putRoute, removeHome, serviceStatus, stopSupervisor } from '@pilot/host'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' }, connections: { type: 'string', default: '16' }, runs: { type: 'string', default: '3' }, json: { type: 'boolean', default: false }, role: { type: 'string' }, port: { type: 'string', default: '0' } } })
const [seconds, connections, runs] = [Number(values.seconds), Number(values.connections), Number(values.runs)]
const host = 'app.bench.localhost'
const body = 'x'.repeat(1024)
const pinning = process.platform === 'linux' && availableParallelism() > 1 && isOnPath('taskset')

if (values.role === 'origin') origin()
else if (values.role === 'load') console.log(JSON.stringify(await load(Number(values.port))))
else await main()

interface Figures {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perCpuSecond?: number
}

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'pilot-bench-edge-'))
  const children: ChildProcess[] = []
  const home = await openHome(join(work, 'home'))
  try {
    const originPort = await freePort()
    children.push(await startPinned(1, process.execPath, ['--conditions=@pilot/source', import.meta.filename, '--role', 'origin', '--port', String(originPort)], originPort))
    const { port } = await ensureEdge(home)
    const pid = serviceStatus(home, 'edge')?.process?.pid as number
    if (pinning) execFileSync('taskset', ['-acp', '0', String(pid)])
    await putRoute(home, { id: 'bench', app: { project: 'bench', app: 'app', environment: 'production' }, hosts: [host], weights: [{ deployment: 'd1', percent: 100, upstreams: [{ host: '127.0.0.1', port: originPort }] }] })

    const subjects = [{ name: 'direct', port: originPort, pid: undefined as number | undefined }, { name: 'edge', port, pid }]
    for (const proxy of await otherProxies(work, originPort)) {
      try {
        const child = await startPinned(0, proxy.command, proxy.args, proxy.port)
        children.push(child)
        subjects.push({ name: proxy.name, port: proxy.port, pid: child.pid })
      } catch (error) {
        console.error(`without ${proxy.name}: ${(error as Error).message}`)
      }
    }

    // In turns, so that a busy minute of the machine hits all of them.
    const best = new Map<string, Figures>()
    for (let run = 0; run < runs; run++) {
      for (const { name, port: to, pid: of } of subjects) {
        const cpuBefore = of === undefined ? undefined : cpuSeconds(of)
        const measured = measure(to)
        const perCpuSecond = of === undefined || cpuBefore === undefined ? undefined : Math.round((measured.requestsPerSecond * seconds) / ((cpuSeconds(of) ?? 0) - cpuBefore))
        const figures = { ...measured, ...(perCpuSecond === undefined ? {} : { perCpuSecond }) }
        if (figures.requestsPerSecond > (best.get(name)?.requestsPerSecond ?? 0)) best.set(name, figures)
      }
    }
    const direct = best.get('direct')?.requestsPerSecond ?? 1
    const rows = subjects.map(({ name, pid: of }) => ({ name, ...(best.get(name) as Figures), ratio: round((best.get(name)?.requestsPerSecond ?? 0) / direct, 2), residentMB: of === undefined ? undefined : residentMB(of) }))
    if (values.json) console.log(JSON.stringify(rows))
    else {
      console.log('| | requests/s | of direct | p50 ms | p99 ms | requests per CPU second | memory after |\n|---|---|---|---|---|---|---|')
      for (const row of rows) console.log(`| ${row.name} | ${row.requestsPerSecond} | ${row.ratio} | ${row.p50Ms} | ${row.p99Ms} | ${row.perCpuSecond ?? ''} | ${row.residentMB === undefined ? '' : `${row.residentMB} MB`} |`)
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await stopSupervisor(home, { services: 'stop' })
    await removeHome(home)
    await rm(work, { recursive: true, force: true })
  }
}

function measure(port: number): Figures {
  if (!isOnPath('wrk')) return JSON.parse(pinned(1, process.execPath, ['--conditions=@pilot/source', import.meta.filename, '--role', 'load', '--port', String(port), '--seconds', String(seconds), '--connections', String(connections)])) as Figures
  const text = pinned(1, 'wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${host}`, `http://127.0.0.1:${port}/`])
  const errors = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(text)
  if (errors !== null) throw new Error(`port ${port}: ${errors[0]}`)
  const percentile = (p: number): number => {
    const [, value = '0', unit] = new RegExp(`${p}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
    return round(Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1), 2)
  }
  return { requestsPerSecond: Math.round(Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0)), p50Ms: percentile(50), p99Ms: percentile(99) }
}

async function otherProxies(work: string, origin: number): Promise<readonly { name: string; command: string; args: string[]; port: number }[]> {
  const found = []
  if (isOnPath('haproxy')) {
    const port = await freePort()
    const file = join(work, 'haproxy.cfg')
    await writeFile(file, `global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  option forwardfor\n  http-reuse always\nlisten l\n  bind 127.0.0.1:${port}\n  server s 127.0.0.1:${origin}\n`)
    found.push({ name: 'HAProxy', command: 'haproxy', args: ['-f', file], port })
  }
  if (isOnPath('nginx')) {
    const port = await freePort()
    const file = join(work, 'nginx.conf')
    await writeFile(
      file,
      `daemon off;\nworker_processes 1;\npid ${work}/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path ${work}/b; proxy_temp_path ${work}/p; fastcgi_temp_path ${work}/f; uwsgi_temp_path ${work}/u; scgi_temp_path ${work}/s;\n  upstream o { server 127.0.0.1:${origin}; keepalive 64; }\n  server { listen 127.0.0.1:${port}; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } }\n}\n`,
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

/** As many connections as asked for, each with one request at a time. */
async function load(port: number): Promise<Figures> {
  const request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const latencies: number[] = []
  const until = performance.now() + seconds * 1000
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          let received = 0
          let expected = 0
          let sentAt = 0
          const socket = connect(port, '127.0.0.1').setNoDelay(true)
          const send = (): void => {
            received = expected = 0
            sentAt = performance.now()
            socket.write(request)
          }
          socket.once('connect', send).once('error', reject)
          socket.on('data', (chunk: Buffer) => {
            if (expected === 0) {
              const head = chunk.indexOf('\r\n\r\n')
              if (chunk.subarray(9, 12).toString() !== '200' || head < 0) return void reject(new Error(chunk.subarray(0, 200).toString()))
              expected = head + 4 + body.length
            }
            received += chunk.length
            if (received < expected) return
            latencies.push(performance.now() - sentAt)
            if (performance.now() < until) send()
            else socket.end(resolve)
          })
        }),
    ),
  )
  latencies.sort((a, b) => a - b)
  const percentile = (p: number): number => round(latencies[Math.floor((latencies.length * p) / 100)] ?? 0, 2)
  return { requestsPerSecond: Math.round(latencies.length / seconds), p50Ms: percentile(50), p99Ms: percentile(99) }
}

async function startPinned(core: number, command: string, args: string[], port: number): Promise<ChildProcess> {
  const [program, ...rest] = pinning ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
  const child = spawn(program as string, rest, { stdio: 'ignore' })
  for (let i = 0; await isPortFree(port); i++) {
    if (i > 200) throw new Error(`${command} does not listen on ${port}`)
    await sleep(50)
  }
  return child
}

function pinned(core: number, command: string, args: string[]): string {
  return pinning ? execFileSync('taskset', ['-c', String(core), command, ...args], { encoding: 'utf8' }) : execFileSync(command, args, { encoding: 'utf8' })
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function isOnPath(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The process and its children (nginx works in one). */
function family(pid: number): readonly string[] {
  return [String(pid), ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)]
}

function cpuSeconds(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const ticks = family(pid).map((one) => {
    const stat = readFileSync(`/proc/${one}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return ticks.reduce((sum, tick) => sum + tick, 0) / 100
}

function residentMB(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const sizes = family(pid).map((one) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0))
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
