import * as z from 'zod'
import { PilotError } from '../../errors/pilot-error.ts'
import { defineKind, type AnyKind } from '../../provider/kind.ts'
import { deleted, settled } from './answers.ts'
import type { FakeClient } from './client.ts'

const inputs = z.object({
  network: z.string(),
  deployment: z.string(),
  digest: z.string(),
  command: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  memoryBytes: z.number(),
  cpu: z.number(),
  volumes: z.array(z.string()).optional(),
})
const outputs = z.object({ id: z.string() })

type Inputs = z.output<typeof inputs>

/** What runs beside an app, and what runs once. A command that begins with `fail` ends at once, with exit code 1. */
export const commandKinds = (client: FakeClient): readonly AnyKind[] => [
  commandKind(client, { noun: 'worker', ended: ({ deployment }) => new PilotError('UNHEALTHY', `The worker of deployment ${deployment} stopped by itself`, { reason: 'exit code 1', details: { exitCode: 1, log: ['it ends'] } }) }),
  commandKind(client, { noun: 'task', ended: ({ deployment }) => new PilotError('RELEASE_COMMAND_FAILED', `The release command of deployment ${deployment} failed`, { reason: 'exit code 1', details: { exitCode: 1, log: ['it ends'] } }) }),
]

function commandKind(client: FakeClient, { noun, ended }: { noun: 'worker' | 'task'; ended(inputs: Inputs): PilotError }): AnyKind {
  return defineKind({
    kind: `fake/${noun}`,
    version: 1,
    inputs,
    outputs,
    identity: 'name',
    consistencyMs: 0,
    async create({ name, owner, inputs, signal, checkpoint, log }) {
      await checkpoint()
      if (noun === 'task') log(`running ${inputs.command.join(' ')}`)
      return client.create({ type: noun, name, owner, properties: inputs, needs: [inputs.network, ...(inputs.volumes ?? [])], signal })
    },
    async settle(call) {
      if (call.inputs.command[0]?.startsWith('fail') !== true) return settled(client, noun, call, ({ id }) => ({ id }))
      const error = ended(call.inputs)
      return { status: 'failed', reason: error.message, error }
    },
    async read({ id, signal }) {
      const found = await client.get({ type: noun, id, signal })
      return found && { inputs: found.properties as Inputs, outputs: { id: found.id } }
    },
    list: (call) => client.list({ type: noun, ...call }),
    delete: (call) => deleted(client, noun, call),
    cost: () => ({ monthly: 0, currency: 'USD', basis: 'price list of the fake cloud' }),
    permissions: [`${noun}:*`],
    exposure: () => [],
  })
}
