import { resourceTypes } from './rules.ts'
import { faultFor, type Fault } from '../faults.ts'

/**
 * One account of the fake cloud: what exists, what was asked, and the rules that a real cloud enforces or that Pilot promises
 * to keep. A request has an effect at one moment, with a delay before it; that the client is gone by then changes nothing.
 */
export interface Account {
  call(request: CloudRequest): Promise<CloudResponse | 'closed'>
  control: AccountControl
}

export interface CloudRequest {
  readonly operation: 'create' | 'get' | 'list' | 'update' | 'delete'
  readonly type: string
  readonly pid: number
  readonly id?: string
  readonly name?: string
  readonly token?: string
  /** What only one resource of the type may hold: a port, a host name. */
  readonly slot?: string
  readonly marks?: Readonly<Record<string, string>>
  readonly properties?: Readonly<Record<string, unknown>>
  /** Ids of what it needs: those cannot be deleted before it. */
  readonly needs?: readonly string[]
  /** Update only if the resource still is of this revision. */
  readonly revision?: number
}

export interface CloudResponse {
  readonly status: 200 | 400 | 403 | 404 | 409 | 412 | 429 | 500
  readonly body: unknown
}

export interface CloudResource {
  readonly id: string
  readonly type: string
  readonly name?: string
  readonly token?: string
  readonly slot?: string
  readonly marks: Readonly<Record<string, string>>
  readonly properties: Readonly<Record<string, unknown>>
  readonly needs: readonly string[]
  readonly revision: number
  readonly state: 'pending' | 'ready' | 'failed' | 'deleting'
}

/** One request as the cloud saw it. */
export interface CallRecord {
  /** From 1, in the order of arrival. */
  readonly n: number
  readonly operation: CloudRequest['operation']
  readonly type: string
  readonly pid: number
  readonly id?: string
  readonly name?: string
  readonly token?: string
  readonly key?: string
  readonly generation?: string
  /** Of the answer; 0 while there is none. */
  readonly status: number
  readonly fault?: Fault['action']
}

export interface CloudConfiguration {
  /** Milliseconds between the arrival of a request and its effect. */
  readonly delayMs: number
  /** How long after a change `list` of an eventually consistent type shows what was before. */
  readonly consistencyMs: number
  /** How long slow types take to become ready and to go. */
  readonly slowMs: number
  /** Requests per second before 429; undefined: no limit. */
  readonly throttlePerSecond?: number
  readonly faults: readonly Fault[]
}

export interface AccountControl {
  configure(change: Partial<CloudConfiguration>): void
  calls(): readonly CallRecord[]
  resources(): readonly CloudResource[]
  /** Rules of Pilot's contract that a client broke: marks missing, a token used for two things, a delete out of order. */
  violations(): readonly string[]
  /** A resource that somebody else made, or that an earlier life left behind. Returns its id. */
  plant(resource: Partial<CloudResource> & { readonly type: string }): string
  /** The cloud gives up on it: it never becomes ready. */
  spoil(id: string): void
  /** Takes a resource away behind Pilot's back, or changes its properties. */
  remove(id: string): void
  change(id: string, properties: Readonly<Record<string, unknown>>): void
  /** Resolves when a call is held by a fault `hold`. */
  held(): Promise<CallRecord>
  /** Lets held calls go on; `drop`: before its effect it never has one, after it the answer is lost. */
  release(options?: { readonly drop?: boolean }): void
  /** What exists, so that another account can begin there: as JSON. */
  save(): SavedAccount
  restore(saved: SavedAccount): void
}

export interface SavedAccount {
  readonly resources: readonly Stored[]
  readonly serial: number
  readonly violations: readonly string[]
}

/** How an account sees time; a simulation brings its own. */
export interface AccountTime {
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
}

const realTime: AccountTime = { now: () => Date.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) }

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
interface Stored extends Mutable<CloudResource> {
  createdAt: number
  readyAt: number
  deletedAt?: number
  goneAt?: number
  isSpoiled?: boolean
}

export function createAccount({ now, sleep }: AccountTime = realTime): Account {
  const resources = new Map<string, Stored>()
  const calls: Mutable<CallRecord>[] = []
  const violations: string[] = []
  const held: { call: CallRecord; go: (drop: boolean) => void }[] = []
  let waiters: ((call: CallRecord) => void)[] = []
  let configuration: CloudConfiguration = { delayMs: 0, consistencyMs: 0, slowMs: 0, faults: [] }
  let recent: number[] = []
  let serial = 0

  return {
    call,
    control: {
      configure: (change) => void (configuration = { ...configuration, ...change }),
      calls: () => calls,
      resources: () => there().map(shown),
      violations: () => violations,
      plant: (resource) => add({ marks: {}, properties: {}, needs: [], ...resource }).id,
      spoil: (id) => void Object.assign(resources.get(id) ?? {}, { isSpoiled: true }),
      remove: (id) => void resources.delete(id),
      change: (id, properties) => void Object.assign(resources.get(id) ?? {}, { properties: { ...resources.get(id)?.properties, ...properties } }),
      held: () => (held[0] === undefined ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve(held[0].call)),
      release: ({ drop = false } = {}) => {
        for (const each of held.splice(0)) each.go(drop)
      },
      save: () => structuredClone({ resources: [...resources.values()], serial, violations }),
      restore: (saved) => {
        resources.clear()
        for (const resource of structuredClone(saved.resources)) resources.set(resource.id, resource)
        serial = saved.serial
        violations.splice(0, Infinity, ...saved.violations)
      },
    },
  }

  async function call(request: CloudRequest): Promise<CloudResponse | 'closed'> {
    const record: Mutable<CallRecord> = { n: calls.length + 1, operation: request.operation, type: request.type, pid: request.pid, status: 0, ...facts(request) }
    calls.push(record)
    if (isThrottled()) return answer(record, { status: 429, body: { message: 'Rate exceeded' } })
    const fault = faultFor(configuration.faults, calls)
    if (fault !== undefined) record.fault = fault.action
    if (fault?.moment === 'before') {
      const stopped = await strike(fault, record)
      if (stopped !== undefined) return stopped
    }
    if (configuration.delayMs > 0) await sleep(configuration.delayMs)
    const response = effect(request)
    if ('id' in (response.body as object)) record.id ??= (response.body as { id: string }).id
    if (fault?.moment === 'after') {
      const stopped = await strike(fault, record)
      if (stopped !== undefined) return stopped
    }
    return answer(record, response)
  }

  /** What the fault makes of the call; undefined: it goes on. */
  async function strike(fault: Fault, record: Mutable<CallRecord>): Promise<CloudResponse | 'closed' | undefined> {
    switch (fault.action) {
      case 'fail':
        return answer(record, { status: 500, body: { message: `Injected failure ${fault.moment} the effect of call ${record.n}` } })
      case 'throttle':
        return answer(record, { status: 429, body: { message: 'Rate exceeded' } })
      case 'deny':
        return answer(record, { status: 403, body: { message: `Not authorized to ${record.operation} ${record.type}` } })
      case 'crash':
        return 'closed'
      case 'hang':
        return new Promise(() => {})
      case 'hold': {
        const drop = await new Promise<boolean>((go) => {
          held.push({ call: record, go })
          for (const waiter of waiters) waiter(record)
          waiters = []
        })
        return drop ? 'closed' : undefined
      }
    }
  }

  function effect(request: CloudRequest): CloudResponse {
    switch (request.operation) {
      case 'create':
        return create(request)
      case 'get': {
        const found = find(request)
        return found === undefined ? notFound(request) : { status: 200, body: shown(found) }
      }
      case 'list':
        return { status: 200, body: { resources: visible(request) } }
      case 'update':
        return update(request)
      case 'delete':
        return remove(request)
    }
  }

  function create(request: CloudRequest): CloudResponse {
    const rules = resourceTypes[request.type]
    if (rules === undefined) return { status: 400, body: { message: `There is no type ${request.type}` } }
    const missing = ['platformId', 'scope', 'key', 'generation'].filter((mark) => !request.marks?.[mark])
    if (missing.length > 0) violations.push(`${request.type} created without ${missing.join(', ')}`)
    const lost = (request.needs ?? []).find((id) => !isThere(resources.get(id)))
    if (lost !== undefined) return { status: 400, body: { message: `${lost} does not exist` } }
    const live = there().filter((each) => each.type === request.type)
    if (rules.token) {
      const first = [...resources.values()].find((each) => each.type === request.type && each.token === request.token)
      if (first !== undefined && JSON.stringify(first.properties) !== JSON.stringify(request.properties)) {
        violations.push(`token ${request.token} was used for two different ${request.type} requests`)
        return { status: 400, body: { message: 'IdempotentParameterMismatch' } }
      }
      if (first !== undefined) return { status: 200, body: shown(first) }
    }
    const holder = live.find((each) => (rules.unique === 'name' && each.name === request.name) || (rules.unique === 'slot' && each.slot === request.slot))
    if (holder !== undefined) return { status: 409, body: { code: 'AlreadyExists', message: `${holder.id} holds the ${rules.unique} ${holder[rules.unique!]}`, resource: shown(holder) } }
    const { type, name, token, slot, marks = {}, properties = {}, needs = [] } = request
    for (const id of needs) {
      const writer = resourceTypes[resources.get(id)!.type]?.singleWriter && [...resources.values()].find((each) => isThere(each) && each.needs.includes(id) && each.properties['deployment'] !== properties['deployment'])
      if (writer) violations.push(`${type} of deployment ${String(properties['deployment'])} would write to ${id} beside ${writer.id}`)
    }
    return { status: 200, body: shown(add({ type, marks, properties, needs, ...(name === undefined ? {} : { name }), ...(token === undefined ? {} : { token }), ...(slot === undefined ? {} : { slot }) })) }
  }

  function add(resource: Partial<CloudResource> & Pick<CloudResource, 'type' | 'marks' | 'properties' | 'needs'>): Stored {
    const createdAt = now()
    const readyAt = createdAt + (resourceTypes[resource.type]?.slow === true ? configuration.slowMs : 0)
    const stored: Stored = { id: `${resource.type}-${String(++serial).padStart(4, '0')}`, revision: 1, state: 'pending', ...resource, createdAt, readyAt }
    resources.set(stored.id, stored)
    return stored
  }

  function update(request: CloudRequest): CloudResponse {
    const found = find(request)
    if (found === undefined) return notFound(request)
    if (request.revision !== undefined && request.revision !== found.revision) return { status: 412, body: { message: `${found.id} is of revision ${found.revision}` } }
    found.properties = { ...found.properties, ...request.properties }
    if (request.needs !== undefined) found.needs = request.needs
    found.revision++
    if (resourceTypes[found.type]?.slow === true) found.readyAt = now() + configuration.slowMs
    return { status: 200, body: shown(found) }
  }

  function remove(request: CloudRequest): CloudResponse {
    const found = find(request)
    if (found === undefined) return notFound(request)
    const blockers = there().filter((each) => each.needs.includes(found.id))
    if (blockers.length > 0) return { status: 409, body: { code: 'DependencyViolation', message: `${found.id} is needed by ${blockers.map(({ id }) => id).join(', ')}` } }
    found.deletedAt = now()
    found.goneAt = found.deletedAt + (resourceTypes[found.type]?.slow === true ? configuration.slowMs : 0)
    return { status: 200, body: { id: found.id } }
  }

  function visible({ type, marks = {} }: CloudRequest): readonly CloudResource[] {
    const lag = resourceTypes[type]?.eventual === true ? configuration.consistencyMs : 0
    const seenAt = now() - lag
    return [...resources.values()]
      .filter((each) => each.type === type && each.createdAt <= seenAt && (each.goneAt === undefined || each.goneAt > seenAt))
      .filter((each) => Object.entries(marks).every(([mark, value]) => each.marks[mark] === value))
      .map(shown)
  }

  function find({ type, id }: CloudRequest): Stored | undefined {
    const found = resources.get(id ?? '')
    return found?.type === type && isThere(found) ? found : undefined
  }

  function isThrottled(): boolean {
    if (configuration.throttlePerSecond === undefined) return false
    recent = recent.filter((at) => now() - at < 1_000)
    if (recent.length >= configuration.throttlePerSecond) return true
    recent.push(now())
    return false
  }

  function there(): readonly Stored[] {
    return [...resources.values()].filter(isThere)
  }

  function isThere(resource: Stored | undefined): resource is Stored {
    return resource !== undefined && (resource.goneAt === undefined || resource.goneAt > now())
  }

  function shown({ createdAt: _, readyAt, deletedAt, goneAt: __, isSpoiled, ...resource }: Stored): CloudResource {
    const failure = isSpoiled === true || resource.properties['fails'] === true ? 'failed' : 'ready'
    return { ...resource, state: deletedAt !== undefined ? 'deleting' : readyAt > now() ? 'pending' : failure }
  }
}

function answer(record: Mutable<CallRecord>, response: CloudResponse): CloudResponse {
  record.status = response.status
  return response
}

const facts = ({ id, name, token, marks }: CloudRequest) => ({
  ...(id === undefined ? {} : { id }),
  ...(name === undefined ? {} : { name }),
  ...(token === undefined ? {} : { token }),
  ...(marks?.['key'] === undefined ? {} : { key: marks['key'], ...(marks['generation'] === undefined ? {} : { generation: marks['generation'] }) }),
})

const notFound = ({ type, id }: CloudRequest): CloudResponse => ({ status: 404, body: { message: `There is no ${type} ${id}` } })
