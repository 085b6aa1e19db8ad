import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * V8 gives memory back when it is under pressure or when a program allocates; an idle process does neither and would keep for
 * hours what its start or a deployment needed for seconds. So it collects once after work has ended.
 */
export function collectWhenIdle({ afterMs = 3000 } = {}): { readonly workEnded: () => void; readonly stop: () => void } {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: object) => void
  let timer: NodeJS.Timeout | undefined
  const workEnded = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }), afterMs).unref()
  }
  workEnded()
  return { workEnded, stop: () => clearTimeout(timer) }
}
