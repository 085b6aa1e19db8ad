/**
 * Load on HTTP servers of this machine: from wrk where it is on PATH, else from a small generator (this file, run as a program). With
 * `taskset` the subject has one core to itself and what answers behind it shares another with the load. Requests per second of the
 * subject's own CPU time (Linux) hardly depend on what else the machine does: what one core could carry.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPortFree } from '@pilot/host'

const pinning = process.platform === 'linux' && availableParallelism() > 1 && isOnPath('taskset')

export interface Figures {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perCpuSecond?: number
}

export interface Subject {
  readonly name: string
  readonly port: number
  /** Whose CPU time counts. */
  readonly pid: number | undefined
}

export interface Load {
  readonly host: string
  readonly path: string
  readonly seconds: number
  readonly connections: number
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(await generate(JSON.parse(process.argv[2]!) as Load & { port: number })))

/** The best of several runs of each, in turns, so that a busy minute of the machine hits all of them. */
export function compare(subjects: readonly Subject[], load: Load, runs: number): ReadonlyMap<string, Figures> {
  const best = new Map<string, Figures>()
  for (let run = 0; run < runs; run++) {
    for (const { name, port, pid } of subjects) {
      const cpuBefore = pid === undefined ? undefined : cpuSeconds(pid)
      const measured = measure(port, load)
      const perCpuSecond = pid === undefined || cpuBefore === undefined ? undefined : Math.round((measured.requestsPerSecond * load.seconds) / ((cpuSeconds(pid) ?? 0) - cpuBefore))
      const figures = { ...measured, ...(perCpuSecond === undefined ? {} : { perCpuSecond }) }
      if (figures.requestsPerSecond > (best.get(name)?.requestsPerSecond ?? 0)) best.set(name, figures)
    }
  }
  return best
}

function measure(port: number, load: Load): Figures {
  const { host, path, seconds, connections } = load
  if (!isOnPath('wrk')) return JSON.parse(pinned(1, process.execPath, ['--conditions=@pilot/source', import.meta.filename, JSON.stringify({ ...load, port })])) as Figures
  const text = pinned(1, 'wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${host}`, `http://127.0.0.1:${port}${path}`])
  const errors = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(text)
  if (errors !== null) throw new Error(`port ${port}: ${errors[0]}`)
  const percentile = (p: number): number => {
    const [, value = '0', unit] = new RegExp(`${p}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
    return round(Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1), 2)
  }
  return { requestsPerSecond: Math.round(Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0)), p50Ms: percentile(50), p99Ms: percentile(99) }
}

/** As many connections as asked for, each with one request at a time. */
async function generate({ host, path, seconds, connections, port }: Load & { port: number }): Promise<Figures> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
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
              expected = head + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(chunk.subarray(0, head).toString())?.[1] ?? 0)
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

/** Starts a server on a core and waits until it listens. */
export async function startPinned(core: number, command: string, args: string[], port: number): Promise<ChildProcess> {
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

export async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Whether a program is installed. */
export function isOnPath(command: string): boolean {
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

export function residentMB(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const sizes = family(pid).map((one) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0))
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** Gives a process the first core to itself, where that can be done. */
export function pinToFirstCore(pid: number): void {
  if (pinning) execFileSync('taskset', ['-acp', '0', String(pid)])
}
