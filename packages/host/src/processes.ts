import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Home } from './home/home.ts'
import { listServices, supervisorPid } from './supervisor/client.ts'

/** What one service needs: its main process and everything in its sessions below it. */
export interface ServiceMemory {
  readonly name: string
  readonly pid: number
  readonly processes: number
  /** Resident bytes, summed up; what processes share (Node's code, PostgreSQL's buffers) is counted once where the kernel tells (Linux). */
  readonly residentBytes: number
}

/** Resident memory of the supervisor and of each running service. */
export async function serviceMemory(home: Home): Promise<readonly ServiceMemory[]> {
  const supervisor = await supervisorPid(home)
  const services = listServices(home).flatMap(({ name, status }) => (status?.process === undefined ? [] : [{ name, pid: status.process.pid }]))
  const mains = [...(supervisor === undefined ? [] : [{ name: 'supervisor', pid: supervisor }]), ...services]
  const table = await processTable()
  const own = new Set(mains.map(({ pid }) => pid))
  return await Promise.all(
    mains.map(async ({ name, pid }) => {
      const tree = treeOf(pid, table, own)
      const sizes = await Promise.all(tree.map(async (member) => (await proportionalSize(member)) ?? table.get(member)?.residentBytes ?? 0))
      return { name, pid, processes: tree.length, residentBytes: sizes.reduce((sum, size) => sum + size, 0) }
    }),
  )
}

interface ProcessRow {
  readonly parent: number
  readonly residentBytes: number
}

async function processTable(): Promise<ReadonlyMap<number, ProcessRow>> {
  if (process.platform !== 'linux') return await psTable()
  const rows = await Promise.all(
    (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(async (entry) => {
      const status = await readFile(`/proc/${entry}/status`, 'utf8').catch(() => '')
      return [Number(entry), { parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0), residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024 }] as const
    }),
  )
  return new Map(rows)
}

async function psTable(): Promise<ReadonlyMap<number, ProcessRow>> {
  const { stdout } = await promisify(execFile)('/bin/ps', ['-axo', 'pid=,ppid=,rss='])
  return new Map(
    stdout.split('\n').flatMap((line) => {
      const [pid, parent, kilobytes] = line.trim().split(/\s+/).map(Number)
      return pid === undefined || parent === undefined || kilobytes === undefined ? [] : [[pid, { parent, residentBytes: kilobytes * 1024 }] as const]
    }),
  )
}

/** The process and its descendants, but for other services (which are children of the supervisor). */
function treeOf(root: number, table: ReadonlyMap<number, ProcessRow>, others: ReadonlySet<number>): readonly number[] {
  const tree = [root]
  for (const member of tree) for (const [pid, { parent }] of table) if (parent === member && !others.has(pid) && !tree.includes(pid)) tree.push(pid)
  return tree
}

/** Its own pages, and its share of those that others have too. Linux tells it to the owner of the process and to root. */
async function proportionalSize(pid: number): Promise<number | undefined> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}
