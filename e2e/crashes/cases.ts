import { isFullCampaign } from '@pilot/core/testing'
import { victims, type Victim } from './victims.ts'

/** What is done to an app, and at which of its events (as `textOf` says them) something dies. */
export interface Command {
  readonly words: (round: number) => readonly string[]
  readonly moments: readonly string[]
  /** Also so long after the last of `moments`, for what reports nothing in between. */
  readonly afterMs?: readonly number[]
}

const started = (key: string, action: string): string => `resource ${key} ${action} started`
const done = (key: string, action: string): string => `resource ${key} ${action} done`
const both = (key: string, action: string): readonly string[] => [started(key, action), done(key, action)]

/** The keys of what one instance of the app is; a process has no network, and its links are none. */
const instance = { docker: 'container-0', process: 'process-0' } as const
export type Runtime = keyof typeof instance

export function commandsOf(runtime: Runtime) {
  const start = both(instance[runtime], 'create')
  const switching = ['phase.finished deploy done', 'phase.started release', ...both('traffic', 'update'), 'phase.finished release done', 'app.released', 'phase.started drain', ...both(instance[runtime], 'delete'), 'phase.finished drain done']
  const parts = runtime === 'docker' ? ['traffic', instance[runtime], 'network', 'database-user', 'database-link', 'database'] : ['traffic', instance[runtime], 'database-user', 'database']
  return {
    up: { words: () => ['up', '--yes'], moments: ['operation.started', 'phase.started build', 'phase.finished build done', 'phase.started deploy', ...both('task/release', 'create'), ...start, ...switching] },
    rollback: { words: () => ['rollback'], moments: ['phase.started deploy', ...start, ...switching] },
    'env set': { words: (round: number) => ['env', 'set', `ROUND=${round}`], moments: ['phase.started deploy', ...start, ...switching] },
    'db restore': { words: () => ['db', 'restore', '--drop-old', '--yes'], moments: ['operation.started', 'phase.started restore'], afterMs: [50, 150, 250, 350, 450, 550, 650, 750] },
    destroy: { words: () => ['destroy', 'web', '--delete-data', '--yes'], moments: ['phase.started destroy', ...parts.flatMap((key) => both(key, 'delete')), 'phase.finished destroy done'] },
  } satisfies Record<string, Command>
}
export type CommandName = keyof ReturnType<typeof commandsOf>

export interface Case {
  readonly name: CommandName
  readonly victim: Victim
  readonly moment: string
  readonly afterMs: number
}

/**
 * In a full campaign everybody dies at every moment, and once more within 200 ms after it; else everybody dies in every third command, at moments
 * that lie far apart.
 */
export function casesOf(runtime: Runtime, dying: readonly Victim[] = victims): readonly Case[] {
  return Object.entries<Command>(commandsOf(runtime)).flatMap(([key, { moments, afterMs = [] }], row) => {
    const name = key as CommandName
    const places = [...moments.map((moment) => ({ moment, afterMs: 0 })), ...afterMs.map((ms) => ({ moment: moments.at(-1)!, afterMs: ms }))]
    if (!isFullCampaign) return dying.flatMap((victim, column) => ((row + column) % 3 === 0 ? [{ name, victim, ...places[(row * 3 + column * 5) % places.length]! }] : []))
    const later = moments.map((moment, index) => ({ moment, afterMs: 1 + chosenBelow(200, index + row * 100) }))
    return [...places, ...later].flatMap((place) => dying.map((victim) => ({ name, victim, ...place })))
  })
}

/** The same in each campaign. */
const chosenBelow = (limit: number, seed: number): number => Math.floor((Math.abs(Math.sin(seed + 1) * 10_000) % 1) * limit)
