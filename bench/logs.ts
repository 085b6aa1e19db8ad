/**
 * Logs: `npx node --conditions=@pilot/source bench/logs.ts [--runs 5] [--seconds 6]`.
 *
 * One writer that prints as fast as it can, and one that prints 1,000 lines a second, each as a process of Pilot (its file, kept by the
 * supervisor) and as a container of the same engine with `json-file`; in turn, in one run. What the writer itself costs is the same
 * program in both; the cost is counted over everything that takes part: supervisor or dockerd with its shim.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Docker from 'dockerode'
import { openHome, putService, readKeptLog, removeHome, removeService, serviceStatus, stopSupervisor, supervisorPid, waitForService } from '@pilot/host'
import { ensureBaseImages } from '../e2e/environments/docker-base-images.ts'
import { shown, spread } from './measure.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' }, seconds: { type: 'string', default: '6' } } })
const runs = Number(values.runs)
const seconds = Number(values.seconds)

/** 100 bytes a line; the last one says how many there were. Writes block, so nothing waits in memory. */
const writer = (perSecond: number | 'all'): string => `const fs = require('fs'); let n = 0; const end = Date.now() + ${seconds * 1000}; const line = () => String(n++).padStart(10, '0') + ' ' + 'x'.repeat(88) + '\\n'
const some = (count) => { let text = ''; for (let i = 0; i < count; i++) text += line(); for (let done = 0; done < text.length; ) { try { done += fs.writeSync(1, text.slice(done)) } catch (error) { if (error.code !== 'EAGAIN') throw error } } }
const stop = () => { fs.writeSync(1, 'wrote ' + n + '\\n'); setInterval(() => {}, 1e6) }
${perSecond === 'all' ? 'while (Date.now() < end) some(200); stop()' : `const begin = Date.now(); const timer = setInterval(() => { some(Math.floor((Date.now() - begin) * ${perSecond / 1000}) - n); if (Date.now() > end) { clearInterval(timer); stop() } }, 10)`}`

interface Result {
  /** Lines per second that were written. */
  readonly rate: number
  /** Processor time of what keeps the log, milliseconds per second of writing. */
  readonly cpu: number
  /** What the keeper took more than before, with what is there for this app alone, MB. */
  readonly memory: number
  /** Lines that were written and neither read nor said to be dropped. */
  readonly lost: number
}

const docker = new Docker()
await ensureBaseImages(['node:24-slim'])
const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-bench-logs-')))
try {
  for (const [title, rate] of [['as fast as it can', 'all'], ['1,000 lines a second', 1000]] as const) {
    const [pilot, json]: [Result[], Result[]] = [[], []]
    for (let run = 0; run < runs; run++) {
      pilot.push(await asProcess(writer(rate)))
      json.push(await asContainer(writer(rate)))
    }
    const row = (name: string, results: readonly Result[]): string => `| ${title} | ${name} | ${shown(spread(results.map((each) => each.rate)))} | ${shown(spread(results.map(({ cpu }) => cpu)), 1)} | ${shown(spread(results.map(({ memory }) => memory)), 1)} | ${Math.max(...results.map(({ lost }) => lost))} |`
    console.log('| | | lines/s | CPU of the keeper, ms per s | its memory for one app, MB | lost |\n|---|---|---|---|---|---|')
    console.log(row('Pilot, a process', pilot))
    console.log(row('json-file', json))
    console.log(`Lines/s, Pilot to json-file, pair by pair: ${shown(spread(pilot.map((each, index) => each.rate / json[index]!.rate)), 2)}`)
    console.log(`CPU, Pilot to json-file, pair by pair: ${shown(spread(pilot.map((each, index) => each.cpu / Math.max(0.1, json[index]!.cpu))), 3)}\n`)
  }
} finally {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
}

async function asProcess(code: string): Promise<Result> {
  const logFile = join(home.paths.logs, 'writer.log')
  await putService(home, { name: 'idle', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1e6)'], logFile: join(home.paths.logs, 'idle.log') })
  const supervisor = (await supervisorPid(home))!
  await sleep(1_500)
  const before = await cpuMs([supervisor])
  const memoryBefore = await residentMB(supervisor)
  await putService(home, { name: 'writer', command: process.execPath, args: ['-e', code], logFile, logKeep: { bytes: 50 * 1024 ** 2, ms: 7 * 24 * 3600_000 } })
  await waitForService(home, 'writer')
  let place = 0
  let read = 0
  let dropped = 0
  let wrote: number | undefined
  for (const end = Date.now() + seconds * 1000 + 60_000; wrote === undefined && Date.now() < end; await sleep(300)) {
    for await (const { text, isNote, next } of readKeptLog(logFile, { from: place })) {
      place = next
      if (isNote) dropped += Number(/([\d,]+) line/.exec(text)?.[1]?.replaceAll(',', '') ?? 0)
      else if (text.startsWith('wrote ')) wrote = Number(text.slice(6))
      else read++
    }
  }
  const cpu = (await cpuMs([supervisor])) - before
  const memory = Math.max(0, (await residentMB(supervisor)) - memoryBefore)
  if (serviceStatus(home, 'writer') === undefined) throw new Error('the writer is gone')
  await removeService(home, 'writer')
  await Promise.all(['', '.facts', '.times', '.1'].map((suffix) => rm(`${logFile}${suffix}`, { force: true })))
  return { rate: wrote! / seconds, cpu: cpu / seconds, memory, lost: wrote! - read - dropped }
}

async function asContainer(code: string): Promise<Result> {
  const dockerd = Number(execFileSync('pgrep', ['-o', '-x', 'dockerd'], { encoding: 'utf8' }))
  const container = await docker.createContainer({ Image: 'node:24-slim', Cmd: ['node', '-e', code], HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '5' } } } })
  try {
    await sleep(1_500)
    const before = await cpuMs([dockerd])
    const memoryBefore = await residentMB(dockerd)
    await container.start()
    const { State } = await container.inspect()
    const shim = parentOf(await readFile(`/proc/${State.Pid}/stat`, 'utf8'))
    let wrote: number | undefined
    let read = 0
    const stream = await container.logs({ follow: true, stdout: true, stderr: true })
    let rest = ''
    const reading = new Promise<void>((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString('latin1')).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          const [, count] = /wrote (\d+)$/.exec(line) ?? []
          if (count === undefined) read++
          else wrote = Number(count)
        }
        if (wrote !== undefined) resolve()
      })
      stream.on('error', reject)
      stream.on('end', resolve)
    })
    await Promise.race([reading, sleep(seconds * 1000 + 60_000)])
    const cpu = (await cpuMs([dockerd])) - before + (await cpuMs([shim]))
    return { rate: (wrote ?? Number.NaN) / seconds, cpu: cpu / seconds, memory: Math.max(0, (await residentMB(dockerd)) - memoryBefore) + (await residentMB(shim)), lost: (wrote ?? Number.NaN) - read }
  } finally {
    await container.remove({ force: true })
  }
}

/** User and system time, and that of children that have ended (fallocate). */
async function cpuMs(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8')))
  return stats.map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number)).reduce((sum, fields) => sum + [11, 12, 13, 14].reduce((a, index) => a + fields[index]!, 0) * 10, 0)
}

function parentOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

async function residentMB(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
