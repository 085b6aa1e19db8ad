import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, type AnyKind } from '@pilot/core'
import { readJson, removeFile, replaceJson, type Home } from '@pilot/host'
import * as z from 'zod'
import { askQueue } from '../function/ask-queue.ts'
import { assertOurs } from '../ownership.ts'
import { listMarked, markOf, readOwner, type Marked } from './marks.ts'
import type { StoredQueue } from './queue.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** The service of the queue. */
  queue: z.string(),
  deployment: z.string(),
})
const outputs = z.object({ deployment: z.string() })

interface StoredConsumer extends Marked, z.output<typeof inputs> {}

/** That a deployment takes messages of its app's queue: a note here, which the queue is told of. Its function host asks all the time. */
export function queueConsumerKind(home: Home): AnyKind {
  const folder = join(home.paths.dir, 'queue-consumers')
  const path = (id: string): string => join(folder, `${id}.json`)

  /** All that may take from this queue, as the notes say. An absent queue has nobody to tell. */
  const tell = async (queue: string): Promise<void> => {
    const stored = await readJson<StoredQueue>(join(home.paths.services, `${queue}.json`))
    if (!stored) return
    const notes = await Promise.all((await readdir(folder)).filter((name) => name.endsWith('.json')).map((name) => readJson<StoredConsumer>(join(folder, name))))
    const deployments = notes.flatMap((note) => (note?.queue === queue ? [note.deployment] : []))
    await askQueue(home, { service: queue, port: stored.port, path: '/consumers', body: { deployments } })
  }

  return defineKind({
    kind: 'local/queue-consumer',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['queue', 'deployment'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [],

    async create({ owner, name, inputs, checkpoint }) {
      const found = await readOwner(path(name))
      if (found) assertOurs({ found, owner, title: `The consumer ${name}` })
      await checkpoint()
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const note: StoredConsumer = { ...inputs, owner: markOf(owner) }
      replaceJson(path(name), note, { durable: true })
      return { id: name }
    },
    async settle({ id, inputs }) {
      if (!(await readJson<StoredConsumer>(path(id)))) return { status: 'failed', reason: `The note ${path(id)} is gone` }
      const isTold = await tell(inputs.queue).then(() => true, () => false)
      return isTold ? { status: 'ready', outputs: { deployment: inputs.deployment } } : { status: 'pending', retryAfterMs: 100, message: 'waiting for the queue' }
    },
    async read({ id }) {
      const note = await readJson<StoredConsumer>(path(id))
      return note && { inputs: { queue: note.queue, deployment: note.deployment }, outputs: { deployment: note.deployment } }
    },
    list: ({ platformId }) => listMarked({ folder, platformId, title: (id) => `consumer ${id}` }),
    async delete({ id, checkpoint }) {
      await checkpoint()
      const note = await readJson<StoredConsumer>(path(id))
      removeFile(path(id))
      // A queue that does not answer hands out nothing; told again when the next consumer comes.
      if (note) await tell(note.queue).catch(() => {})
      return {}
    },
  })
}
