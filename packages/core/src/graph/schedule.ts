import { PilotError } from '../errors/pilot-error.ts'

/** Lets at most `width` runs happen at once; the rest wait in line. */
export interface Gate {
  run<T>(work: () => Promise<T>): Promise<T>
}

export function createGate(width: number): Gate {
  let free = width
  const waiting: (() => void)[] = []
  return {
    async run(work) {
      if (free > 0) free--
      else await new Promise<void>((go) => waiting.push(go))
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) free++
        else next()
      }
    },
  }
}

/** Calls that come while one is under way share the next one: what each caller gets was begun after it asked. */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined
  let next: Promise<T> | undefined
  const start = (): Promise<T> => {
    next = undefined
    const running = work().finally(() => {
      if (current === running) current = undefined
    })
    current = running
    return running
  }
  return () => {
    if (next !== undefined) return next
    if (current === undefined) return start()
    next = current.then(start, start)
    return next
  }
}

export interface Task {
  readonly id: string
  /** Ids of tasks that must have succeeded. Dependencies come first in the list. */
  readonly after: readonly string[]
}

export interface Outcome {
  readonly done: readonly string[]
  /** In the order in which they failed. */
  readonly failed: readonly { readonly id: string; readonly error: unknown }[]
  /** Not started, since something before them failed or `mayStart` said no. */
  readonly skipped: readonly string[]
}

/**
 * Runs tasks as early as what they wait for allows. When one fails, what waits for it never starts; everything else goes on.
 * `mayStart` is asked before each start: a cancelled operation starts nothing more. `parallel` bounds how many are begun and
 * not `parked`; a task parks itself while it only waits for time to pass.
 */
export async function schedule<T extends Task>({ tasks, parallel, mayStart, run }: { tasks: readonly T[]; parallel: number; mayStart: () => boolean; run: (task: T, park: Park) => Promise<void> }): Promise<Outcome> {
  const missing = new Map(tasks.map((task) => [task.id, task.after.length]))
  const dependents = new Map<string, T[]>(tasks.map((task) => [task.id, []]))
  for (const task of tasks) {
    for (const before of task.after) {
      const list = dependents.get(before)
      if (list === undefined) throw new PilotError('INTERNAL', `${task.id} waits for ${before}, which is not part of the plan`)
      list.push(task)
    }
  }
  const height = heights(tasks, dependents)
  const ready: T[] = []
  for (const task of tasks) if (task.after.length === 0) insert(task)
  const done: string[] = []
  const failed: { id: string; error: unknown }[] = []
  let active = 0
  let running = 0

  await new Promise<void>((finish) => {
    const pump = (): void => {
      while (ready.length > 0 && active < parallel && mayStart()) start(ready.pop()!)
      if (running === 0) finish()
    }
    const start = (task: T): void => {
      active++
      running++
      const park: Park = async (waiting) => {
        active--
        pump()
        try {
          return await waiting()
        } finally {
          active++
        }
      }
      run(task, park)
        .then(
          () => {
            done.push(task.id)
            for (const dependent of dependents.get(task.id)!) {
              const left = missing.get(dependent.id)! - 1
              missing.set(dependent.id, left)
              if (left === 0) insert(dependent)
            }
          },
          (error: unknown) => void failed.push({ id: task.id, error }),
        )
        .finally(() => {
          active--
          running--
          pump()
        })
    }
    pump()
  })
  const begun = new Set([...done, ...failed.map(({ id }) => id)])
  return { done, failed, skipped: tasks.map(({ id }) => id).filter((id) => !begun.has(id)) }

  // The longest chain last in the list, which is taken first: a wide graph must not leave its critical path for the end.
  function insert(task: T): void {
    const own = height.get(task.id)!
    let low = 0
    for (let high = ready.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (height.get(ready[middle]!.id)! < own) low = middle + 1
      else high = middle
    }
    ready.splice(low, 0, task)
  }
}

export type Park = <R>(waiting: () => Promise<R>) => Promise<R>

function heights<T extends Task>(tasks: readonly T[], dependents: ReadonlyMap<string, readonly T[]>): ReadonlyMap<string, number> {
  const height = new Map<string, number>()
  for (const task of tasks.toReversed()) height.set(task.id, 1 + Math.max(0, ...dependents.get(task.id)!.map(({ id }) => height.get(id) ?? 0)))
  return height
}
