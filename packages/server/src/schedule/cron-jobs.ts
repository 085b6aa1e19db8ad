import { runCronJobOf } from '@pilot/core'
import type { Platforms } from '../wiring.ts'
import type { ScheduleType } from './schedule.ts'

/** So many commands at once, of all apps: what is due at midnight does not come all at the same second. */
const atOnce = 8

/** `cron:` of the manifest. */
export function cronJobs({ platforms }: { readonly platforms: Platforms }): ScheduleType {
  const slot = slots(atOnce)
  return {
    type: 'cron',
    schedulesOf: ({ run }) => Object.entries(run.cron ?? {}).map(([name, { schedule, timeZone, overlap, missed, command }]) => ({ name, expression: schedule, timeZone, overlap, missed, what: commandText(command) })),
    async run({ schedule: { platform, name, deployment }, dueAt, output, signal }) {
      using _visit = platforms.visit()
      using _slot = await slot(signal)
      const { context } = await platforms.reader(platform, signal)
      return runCronJobOf(context, { deployment, name, job: deployment.run.cron![name]!, ...(dueAt ? { at: dueAt } : {}), output })
    },
    async tidyUp(platform, signal) {
      const { context } = await platforms.reader(platform, signal)
      for (const compute of Object.values(context.provider.compute)) await compute?.endAbandonedRuns?.({ signal })
    },
  }
}

/** As the manifest has it: a shell that stands around it is ours. */
const commandText = (command: readonly string[]): string => command.length === 0 ? 'calls the function' : (command.length === 3 && command[0] === 'sh' && command[1] === '-c' ? command[2]! : command.join(' '))

function slots(count: number): (signal: AbortSignal) => Promise<Disposable> {
  let free = count
  const waiting: (() => void)[] = []
  const held = { [Symbol.dispose]: () => void (waiting.length > 0 ? waiting.shift()!() : (free += 1)) }
  return async (signal) => {
    signal.throwIfAborted()
    if (free > 0) {
      free -= 1
      return held
    }
    await new Promise<void>((resolve, reject) => {
      const take = (): void => (signal.removeEventListener('abort', leave), resolve())
      const leave = (): void => (waiting.splice(waiting.indexOf(take), 1), reject(signal.reason as Error))
      signal.addEventListener('abort', leave, { once: true })
      waiting.push(take)
    })
    return held
  }
}
