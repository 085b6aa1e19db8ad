import { join } from 'node:path'
import type { CreateCall, DeleteCall, Listed, ListCall, Ownership, ReadCall, Reading, UpdateCall } from '@pilot/core'
import { readJson, releasePort, serviceStatus, type Home } from '@pilot/host'
import { isOfRole, type ServiceRole } from '../compute/keys.ts'
import { assertOurs } from '../ownership.ts'
import { listMarked, readOwner, type Marked } from './marks.ts'
import { hurried, removeProgram, type RemovedProgram } from './service-parts.ts'
import type { Failed } from './shared.ts'

/** What a kind whose resources are services of the supervisor says of itself. */
export interface ServiceKind<I, S, O> {
  readonly home: Home
  /** By which its services are told from those of other kinds. */
  readonly role: ServiceRole
  /** Throws when something that the service needs is absent, or belongs to somebody else. */
  check(call: CreateCall<I>): Promise<void>
  /** Writes the service; twice is as good as once. */
  put(call: PutCall<I>): Promise<unknown>
  /** The live inputs; `running` is for those that count a service that is gone as drift. */
  inputsOf(service: S, running: true): Partial<I>
  outputsOf(service: S): O
  /** What goes before the service does. */
  removeFirst?(call: DeleteCall<I>, service: S | undefined): Promise<void>
  /** The name under which its port is reserved. */
  portName?(id: string): string
}

export interface PutCall<I> {
  readonly name: string
  readonly owner: Ownership
  readonly inputs: I
}

/** All of a kind but its data and how it settles. The id of a resource is the name of its service. */
export function serviceHandlers<I, S extends Marked, O>({ home, role, check, put, inputsOf, outputsOf, removeFirst, portName }: ServiceKind<I, S, O>) {
  return {
    async create(call: CreateCall<I>): Promise<{ id: string }> {
      const { name, owner } = call
      const found = await readOwner(servicePath(home, name))
      if (found) assertOurs({ found, owner, title: `The service ${name}` })
      await check(call)
      await call.checkpoint()
      await put(call)
      return { id: name }
    },
    async read({ id }: ReadCall<I>): Promise<Reading<I, O> | undefined> {
      const service = await readService<S>(home, id)
      // A value that the schema does not know is how a reading says "not running".
      return service && { inputs: inputsOf(service, isRunning(home, id) as true), outputs: outputsOf(service) }
    },
    async list({ platformId }: ListCall): Promise<readonly Listed[]> {
      const listed = await listMarked({ folder: home.paths.services, platformId, title: (id) => `${nouns[role]} ${id}` })
      return listed.filter(({ owner }) => isOfRole(owner.key, role))
    },
    async update(call: UpdateCall<I>): Promise<object> {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },
    async delete(call: DeleteCall<I>): Promise<object> {
      const { id, owner } = call
      await call.checkpoint()
      const service = await readService<S & RemovedProgram>(home, id)
      await removeFirst?.(call, service)
      await removeProgram(home, { id, platformId: owner.platformId, service, ...hurried(call) })
      if (portName) await releasePort(home, portName(id))
      return {}
    },
  }
}

export const readService = <S>(home: Home, id: string): Promise<S | undefined> => readJson<S>(servicePath(home, id))

export const serviceGone = (id: string): Failed => ({ status: 'failed', reason: `The service ${id} is gone` })

/** For people, in lists. */
const nouns: Readonly<Record<ServiceRole, string>> = { process: 'process', worker: 'process', task: 'process', function: 'function', queue: 'queue' }

const servicePath = (home: Home, id: string): string => join(home.paths.services, `${id}.json`)

function isRunning(home: Home, id: string): boolean {
  const state = serviceStatus(home, id)?.state
  return state !== undefined && state !== 'exited' && state !== 'failed'
}
