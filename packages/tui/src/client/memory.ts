import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

interface Process {
  readonly pid: number
  readonly parent: number
  /** Known at once only on macOS. */
  readonly bytes?: number
}

/**
 * Memory in bytes by pid: of a whole tree of processes, or of a single one. On Linux shared pages count once (PSS) where they
 * can be read, so that the processes of PostgreSQL do not each count its shared memory. What cannot be read is left out.
 */
export async function memoryOf({ trees, single }: { trees: readonly number[]; single: readonly number[] }): Promise<Map<number, number>> {
  const processes = process.platform === 'linux' ? await linuxProcesses() : await psProcesses()
  const found = new Map<number, number>()
  for (const pid of trees) {
    const sizes = await Promise.all(descendants(processes, pid).map(sizeOf))
    const known = sizes.flatMap((size) => size ?? [])
    if (known.length > 0) found.set(pid, known.reduce((sum, size) => sum + size, 0))
  }
  for (const pid of single) {
    const entry = processes.find((candidate) => candidate.pid === pid)
    const size = entry === undefined ? undefined : await sizeOf(entry)
    if (size !== undefined) found.set(pid, size)
  }
  return found
}

function descendants(processes: readonly Process[], root: number): Process[] {
  const own = processes.filter(({ pid }) => pid === root)
  return [...own, ...processes.filter(({ parent, pid }) => parent === root && pid !== root).flatMap(({ pid }) => descendants(processes, pid))]
}

async function sizeOf({ pid, bytes }: Process): Promise<number | undefined> {
  if (bytes !== undefined) return bytes
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  const pss = /^Pss:\s+(\d+) kB/m.exec(rollup)
  if (pss) return Number(pss[1]) * 1024
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(status)
  return rss ? Number(rss[1]) * 1024 : undefined
}

async function linuxProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const all = await Promise.all(
    pids.map(async (name) => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined)
      // The name of the program stands in parentheses and may hold anything; the parent is the second field after it.
      const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
      return parent === undefined ? [] : [{ pid: Number(name), parent: Number(parent) }]
    }),
  )
  return all.flat()
}

async function psProcesses(): Promise<Process[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=,rss=']).catch(() => ({ stdout: '' }))
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, parent, kilobytes]) => (pid === undefined || parent === undefined || kilobytes === undefined ? [] : [{ pid, parent, bytes: kilobytes * 1024 }]))
}
