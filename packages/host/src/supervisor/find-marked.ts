import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { processesMarked } from '../end-processes.ts'
import type { Home } from '../home/home.ts'
import { markOf, markText } from './mark.ts'

/**
 * The process that carries the mark of this service and leads its session: what an earlier supervisor started and could not
 * write down. Looks through all processes, so it is asked only when a start was left unfinished.
 */
export function findMarked(home: Home, spec: { readonly name: string; readonly revision: string }): number | undefined {
  return processesMarked(markText(markOf(home, spec))).find(process.platform === 'linux' ? leadsSession : leadsGroup)
}

function leadsSession(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3] === String(pid)
  } catch {
    return false
  }
}

function leadsGroup(pid: number): boolean {
  try {
    return Number(execFileSync('/bin/ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' })) === pid
  } catch {
    return false
  }
}
