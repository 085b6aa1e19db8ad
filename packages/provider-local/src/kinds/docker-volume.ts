import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import * as z from 'zod'
import { removeAbandoned } from '../compute/container-one-off.ts'
import type { Engine } from '../engine/engine.ts'
import { engineError, isConflict, orAbsent } from '../engine/errors.ts'
import { assertOurs, labels, ownerLabels, ownerOfLabels, platformFilter } from '../ownership.ts'
import { inspectVolume } from './container-volumes.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** For people who look at `docker volume ls`. */
  project: z.string(),
  app: z.string(),
})
const outputs = z.object({ name: z.string() })

/** A folder of the engine that outlives containers: data. Who may write to it is settled when a container gets it (`container-volumes.ts`). */
export function dockerVolumeKind(engine: () => Promise<Engine>): AnyKind {
  return defineKind({
    kind: 'local/docker-volume',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['project', 'app'] },
    identity: 'name',
    consistencyMs: 0,
    protect: true,
    permissions: ['the Docker socket'],
    cost: freeOfCharge,
    exposure: () => [],

    async create({ owner, name, inputs, checkpoint }) {
      const { docker } = await engine()
      await checkpoint()
      // The engine gives the one of that name that is there, with the labels that it has.
      await docker.createVolume({ Name: name, Driver: 'local', Labels: { ...ownerLabels(owner), [labels.project]: inputs.project, [labels.app]: inputs.app } }).catch((error: unknown) => {
        throw engineError(error, `The Docker volume ${name}`)
      })
      assertOurs({ found: ownerOfLabels((await inspectVolume(await engine(), name))?.Labels), owner, title: `The Docker volume ${name}` })
      return { id: name }
    },

    async settle({ id }) {
      return (await inspectVolume(await engine(), id)) ? { status: 'ready', outputs: { name: id } } : { status: 'failed', reason: `The Docker volume ${id} is gone` }
    },

    async read({ id }) {
      const volume = await inspectVolume(await engine(), id)
      const { [labels.project]: project, [labels.app]: app } = volume?.Labels ?? {}
      return volume && { inputs: { ...(project ? { project } : {}), ...(app ? { app } : {}) }, outputs: { name: id } }
    },

    async list({ platformId }) {
      const { docker } = await engine()
      const { Volumes } = await docker.listVolumes({ filters: platformFilter(platformId) }).catch((error: unknown) => {
        throw engineError(error, 'The list of volumes')
      })
      return (Volumes ?? []).map(({ Name, Labels }) => ({ id: Name, owner: ownerOfLabels(Labels), title: `Docker volume ${Name}`, inUse: true }))
    },

    async delete({ id, owner, checkpoint }) {
      const client = await engine()
      await checkpoint()
      await removeAbandoned(client, owner.platformId)
      await orAbsent(client.docker.getVolume(id).remove()).catch((error: unknown) => {
        throw isConflict(error) ? new PilotError('BLOCKED', `The Docker volume ${id} is in use`, { reason: 'A container has it.', cause: error }) : engineError(error, `The Docker volume ${id}`)
      })
      return {}
    },
  })
}
