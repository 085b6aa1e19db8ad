import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Home } from '../home/home.ts'
import { markOf, serviceMark } from './child.ts'

/**
 * The process that carries the mark of this service and leads its session: what an earlier supervisor started and could not
 * write down. Looks through all processes, so it is asked only when a start was left unfinished.
 */
export function findMarked(home: Home, spec: { readonly name: string; readonly revision: string }): number | undefined {
  const mark = `${serviceMark}=${markOf(home, spec)}`
  return process.platform === 'linux' ? findInProc(mark) : findWithPs(mark)
}

function findInProc(mark: string): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      if (!`\0${readFileSync(`/proc/${entry}/environ`, 'utf8')}`.includes(`\0${mark}\0`)) continue
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
      const session = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]
      if (session === entry) return Number(entry)
    } catch {
      // Gone meanwhile, or not ours to read.
    }
  }
  return undefined
}

function findWithPs(mark: string): number | undefined {
  const lines = execFileSync('/bin/ps', ['-axEww', '-o', 'pid=,pgid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split('\n')
  for (const line of lines) {
    const [, pid, group] = /^\s*(\d+)\s+(\d+)\s/.exec(line) ?? []
    if (pid !== undefined && pid === group && line.includes(` ${mark}`)) return Number(pid)
  }
  return undefined
}
