import { lagging, startStub, type StubAnswer, type StubRequest } from './stub.ts'

type Json = Record<string, any>

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** As much of three services of Google Cloud as the sketches need: everything is an operation that takes a while. */
export async function startGcpStub({ slowMs = 40 } = {}) {
  const collections: Record<string, Map<string, Json>> = { networks: new Map(), instances: new Map(), services: new Map() }
  const operations = new Map<string, () => Json>()
  const usedNames = new Set<string>()
  let next = 1

  /** Accepts now; `finish` runs, and may refuse, when somebody looks after a while. */
  const accept = (finish: () => void): Json => {
    const name = `operation-${next++}`
    const state = lagging(false, true, slowMs)
    let outcome: Json | undefined
    operations.set(name, () => {
      if (!state()) return { name, done: false }
      outcome ??= attempt(finish)
      return { name, done: true, ...outcome }
    })
    return { name, done: false }
  }
  const attempt = (finish: () => void): Json => {
    try {
      finish()
      return {}
    } catch (error) {
      return { error: { code: (error as Refusal).status, message: (error as Error).message } }
    }
  }
  const progress = () => {
    for (const look of operations.values()) look()
  }

  const insert: Record<string, (body: Json) => void> = {
    networks: ({ name, ...rest }) => void collections['networks']!.set(name, { name, ...rest }),
    instances({ name, rootPassword: _, settings, ...rest }) {
      if (usedNames.has(name)) throw new Refusal(409, `the name ${name} was used less than a week ago`)
      usedNames.add(name)
      if (!collections['networks']!.has(settings.ipConfiguration.privateNetwork)) throw new Refusal(404, 'the network does not exist')
      collections['instances']!.set(name, { name, ...rest, state: 'PENDING_CREATE', settings: { ...settings, settingsVersion: '1' }, ipAddresses: [{ ipAddress: '10.1.2.3' }] })
    },
    services: ({ name, ...rest }) => void collections['services']!.set(name, { name, ...rest, annotations: {}, traffic: [{ percent: 100 }], uri: `https://${name}.run.example`, etag: `etag-${next++}` }),
  }
  const patch: Record<string, (found: Json, body: Json) => Json> = {
    instances(found, { settings }) {
      if (settings.settingsVersion !== found['settings'].settingsVersion) throw new Refusal(412, 'the settings have changed in between')
      return accept(() => Object.assign(found, { settings: { ...found['settings'], ...settings, settingsVersion: String(Number(settings.settingsVersion) + 1) } }))
    },
    services(found, { etag, traffic, annotations }) {
      if (etag !== found['etag']) throw new Refusal(409, 'the etag does not match')
      if (traffic.length > 0 && traffic.reduce((sum: number, { percent }: Json) => sum + percent, 0) !== 100) throw new Refusal(400, 'percents do not sum up to 100')
      Object.assign(found, { traffic, annotations, etag: `etag-${next++}` })
      return accept(() => {})
    },
  }
  const remove = (collection: string, name: string) => {
    if (collection === 'networks' && [...collections['instances']!.values()].some(({ settings }) => settings.ipConfiguration.privateNetwork === name)) throw new Refusal(400, `${name} is being used by an instance`)
    collections[collection]!.delete(name)
  }

  const answer = ({ method, path, query, body }: StubRequest): StubAnswer => {
    progress()
    const [, collection = '', name] = path.split('/')
    if (collection === 'operations') return operations.has(name!) ? { body: operations.get(name!)!() } : { status: 404 }
    const all = collections[collection]!
    if (method === 'POST') {
      const name = body['name'] as string
      if (all.has(name)) throw new Refusal(409, `${name} exists`)
      insert[collection]!(body)
      return { body: accept(() => Object.assign(all.get(name) ?? {}, collection === 'instances' ? { state: 'RUNNABLE' } : {})) }
    }
    if (name === undefined) {
      const wanted = /[0-9a-f]{32}/.exec(query.get('filter') ?? '')?.[0] ?? ''
      const items = [...all.values()].filter((item) => JSON.stringify(item).includes(wanted))
      return { body: { items, services: items } }
    }
    const found = all.get(name)
    if (found === undefined) return { status: 404, body: { message: `${name} does not exist` } }
    if (method === 'PATCH') return { body: patch[collection]!(found, body) }
    if (method === 'DELETE') return { body: accept(() => remove(collection, name)) }
    return { body: found }
  }

  const server = await startStub((request) => {
    try {
      return answer(request)
    } catch (error) {
      return { status: (error as Refusal).status ?? 500, body: { message: (error as Error).message } }
    }
  })
  return {
    ...server,
    names: () => Object.keys(collections).flatMap((collection) => [...collections[collection]!.keys()]),
  }
}
