import { join } from 'node:path'
import { PilotError, type QueueAdministration, type QueueCall, type QueueState } from '@pilot/core'
import { readJson, type Home } from '@pilot/host'
import { askQueue } from '../function/ask-queue.ts'
import { listMarked } from '../kinds/marks.ts'
import type { StoredQueue } from '../kinds/queue.ts'
import { isOfRole } from './keys.ts'

/** Asks the service that is the queue of an app. */
export function queueAdministration({ home, platformId }: { readonly home: Home; readonly platformId: string }): QueueAdministration {
  const ask = async ({ app, signal }: QueueCall, path: string, body: object = {}): Promise<unknown> => {
    const scope = `app/${app.project}/${app.app}/${app.environment}`
    const found = (await listMarked({ folder: home.paths.services, platformId, title: (id) => id })).find(({ owner }) => owner.scope === scope && isOfRole(owner.key, 'queue'))
    const stored = found && (await readJson<StoredQueue>(join(home.paths.services, `${found.id}.json`)))
    if (!stored) throw new PilotError('NOT_ALLOWED_NOW', `${app.project}/${app.app} has no queue now`, { reason: 'What was deployed last has none, or it was destroyed.', suggestion: 'Write `function: { handler: …, queue: true }` into pilot.yaml and run `up`: messages that were kept are there again.' })
    return askQueue(home, { service: stored.name, port: stored.port, path, body, signal })
  }
  return {
    async state(call) {
      const { waiting, inFlight, dead, deadMessages } = (await ask(call, '/state')) as QueueState
      return { waiting, inFlight, dead, deadMessages }
    },
    retry: async (call) => ((await ask(call, '/retry')) as { count: number }).count,
    purge: async ({ which, ...call }) => ((await ask(call, '/purge', { which })) as { count: number }).count,
  }
}
