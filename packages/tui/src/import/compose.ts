import { linkVariable } from '@pilot/core'
import { PilotError } from '@pilot/core/errors'
import { composeFileKeys, composeServiceKeys } from './compose-keys.ts'
import { interpolated } from './compose-variables.ts'
import { buildOf, healthOf, portsOf, volumesOf, type ServicePart } from './compose-parts.ts'
import { createDraft, type Draft, type Imported, type ImportInput } from './draft.ts'
import { knownImage } from './images.ts'
import { dockerSize } from './units.ts'
import { isMap, listOf, pairsOf, plain, readYamlSource, type YamlSource } from './yaml-source.ts'

type Service = Record<string, unknown>

/** What becomes of each service. */
type Role =
  | { readonly type: 'app' }
  | { readonly type: 'postgres' }
  | { readonly type: 'other service' }
  | { readonly type: 'process' | 'release'; readonly of: string }

interface Work {
  readonly source: YamlSource
  readonly draft: Draft
  readonly services: ReadonlyMap<string, Service>
  readonly roles: ReadonlyMap<string, Role>
  /** Of a service, the app's. */
  readonly names: ReadonlyMap<string, string>
}

/** A compose.yaml as the Compose Specification has it. Throws USAGE for what is none. */
export function importCompose({ text, file, project }: ImportInput): Imported {
  const source = readYamlSource({ text, file })
  const { services: written, name, ...rest } = source.root
  if (!isMap(written) || Object.keys(written).length === 0) throw new PilotError('USAGE', `${file} has no services.`, { suggestion: 'Check that it is a compose.yaml; nothing was written.' })
  const draft = createDraft(typeof name === 'string' ? interpolated(name).text : project)
  const services = new Map(Object.entries(written).map(([key, value]) => [key, isMap(value) ? value : {}]))
  const roles = rolesOf(services)
  const names = new Map([...services.keys()].filter((key) => roles.get(key)?.type === 'app').map((key) => [key, draft.name(key, source.line('services', key))]))
  const work: Work = { source, draft, services, roles, names }

  for (const [key] of names) fillApp(work, key)
  for (const [key, role] of roles) if (role.type !== 'app') placeOther(work, key, role)
  for (const key of Object.keys(rest)) topLevel(work, key, rest[key])
  if (names.size === 0) throw new PilotError('USAGE', `${file} has no service that could be an app of Pilot.`, { reason: [...services.keys()].join(', '), suggestion: 'A database alone needs no app: write `database: postgres` at the app that uses it.' })
  return draft.finish()
}

/** Databases, services that speak no HTTP, and services that share an app's source and only run another command. */
function rolesOf(services: ReadonlyMap<string, Service>): ReadonlyMap<string, Role> {
  const roles = new Map<string, Role>()
  for (const [key, { build, image }] of services) {
    const known = build === undefined && typeof image === 'string' ? knownImage(interpolated(image).text) : 'unknown'
    roles.set(key, known === 'unknown' ? { type: 'app' } : { type: known })
  }
  const completed = new Set([...services.values()].flatMap(({ depends_on: needs }) => (isMap(needs) ? Object.entries(needs).filter(([, how]) => isMap(how) && how['condition'] === 'service_completed_successfully').map(([key]) => key) : [])))
  for (const [key, service] of services) {
    if (roles.get(key)?.type !== 'app' || service['command'] === undefined || listens(service)) continue
    const main = [...services].find(([other, candidate]) => other !== key && roles.get(other)?.type === 'app' && listens(candidate) && sourceKey(candidate) === sourceKey(service) && sourceKey(service) !== undefined)
    if (main) roles.set(key, { type: completed.has(key) ? 'release' : 'process', of: main[0] })
  }
  return roles
}

const listens = ({ ports, expose }: Service): boolean => listOf(ports).length > 0 || listOf(expose).length > 0

function sourceKey({ build, image }: Service): string | undefined {
  if (build === undefined) return typeof image === 'string' ? `image ${image}` : undefined
  const { context = '.', dockerfile = 'Dockerfile', target } = isMap(build) ? build : { context: build }
  return JSON.stringify([plain(context).replace(/\/$/, ''), dockerfile, target ?? ''])
}

function fillApp(work: Work, key: string): void {
  const { draft, services, names, source } = work
  const service = services.get(key)!
  const name = names.get(key)!
  const app = draft.app(name)
  const part: ServicePart = { draft, source, key, app }
  const { build, image, command, ports, expose, healthcheck, volumes, environment, deploy, ...rest } = service
  if (build !== undefined) buildOf(part, build)
  else if (typeof image === 'string') imageOf(work, { key, app: name, image })
  else draft.leftOut(`services.${key}`, 'It has neither `build` nor `image`.', source.line('services', key))
  if (command !== undefined && command !== null) app['command'] = commandOf(command)
  portsOf(part, { ports, expose })
  healthOf(part, healthcheck)
  volumesOf(part, volumes)
  sizesOf(part, { ...service, deploy })
  needsOf(work, { key, name })
  variablesOf(work, { key, name, environment })
  for (const file of listOf(service['env_file'])) draft.leftOut(`services.${key}.env_file`, `Import it with \`env import ${name} ${isMap(file) ? plain(file['path']) : plain(file)}\`, which asks before it changes anything.`, source.line('services', key, 'env_file'))
  for (const secret of listOf(service['secrets'])) secretOf(work, { key, name, secret })
  const known = new Set(['depends_on', 'links', 'env_file', 'secrets', 'mem_limit', 'cpus', 'scale', 'mem_reservation'])
  for (const other of Object.keys(rest).filter((other) => !known.has(other) && !other.startsWith('x-'))) unknownKey(work, { key, other })
}

function imageOf({ draft, source }: Work, { key, app, image }: { key: string; app: string; image: string }): void {
  const { text, unset } = interpolated(image)
  if (unset.length > 0) return draft.leftOut(`services.${key}.image`, `It depends on ${unset.join(', ')}: write \`image:\` by hand.`, source.line('services', key, 'image'))
  draft.app(app)['image'] = text
}

function sizesOf({ draft, source, key, app }: ServicePart, { mem_limit: memory, cpus, scale, deploy }: Service): void {
  const { resources, replicas, ...rest } = isMap(deploy) ? deploy : {}
  const limits: Record<string, unknown> = isMap(resources) && isMap(resources['limits']) ? resources['limits'] : {}
  const size = dockerSize(limits['memory'] ?? memory)
  if (size !== undefined) app['memory'] = size
  const cores = Number(limits['cpus'] ?? cpus)
  if (cores > 0) app['cpu'] = cores
  const count = Number(replicas ?? scale ?? 1)
  if (count !== 1 && Number.isInteger(count)) app['scale'] = count
  for (const other of Object.keys(rest)) draft.leftOut(`services.${key}.deploy.${other}`, 'Pilot has its own way: the new version starts beside the old one and gets the traffic when it is healthy.', source.line('services', key, 'deploy', other))
}

/** `depends_on` and `links`: the way to other apps, and the database. */
function needsOf(work: Work, { key, name }: { key: string; name: string }): void {
  const { draft, roles, names, services } = work
  const { depends_on: dependsOn, links } = services.get(key)!
  const needs = [...pairsOf(dependsOn), ...pairsOf(links, ':')].map(({ name }) => name)
  const used = [...new Set(needs.map((need) => names.get(need)).filter((other) => other !== undefined && other !== name))]
  if (used.length > 0) draft.app(name)['uses'] = used as string[]
  const database = [...needs, ...hostsIn(services.get(key)!, [...services.keys()])].find((need) => roles.get(need)?.type === 'postgres')
  if (database !== undefined) giveDatabase(work, { name, database })
}

function giveDatabase({ draft, roles, names, services }: Work, { name, database }: { name: string; database: string }): void {
  const owner = [...names].find(([key, other]) => other !== name && draft.apps.get(other)?.['database'] === 'postgres' && hostsIn(services.get(key)!, [database]).length + pairsOf(services.get(key)!['depends_on']).filter((pair) => pair.name === database).length > 0)
  if (roles.get(database)?.type === 'postgres') draft.app(name)['database'] = owner ? { from: owner[1] } : 'postgres'
}

/** Services whose names stand as a host in a variable. */
function hostsIn({ environment }: Service, keys: readonly string[]): readonly string[] {
  const values = pairsOf(environment).map(({ value }) => plain(value))
  return keys.filter((key) => values.some((value) => hostIn(value, key)))
}

const hostIn = (value: string, host: string): boolean => value === host || new RegExp(`(?:^|//|@|,)${host.replaceAll(/[^\w-]/g, '\\$&')}(?::\\d+|/|,|$)`).test(value)

function variablesOf(work: Work, { key, name, environment }: { key: string; name: string; environment: unknown }): void {
  const { draft, source, roles, names } = work
  const app = draft.app(name)
  for (const { name: variable, value, key: at } of pairsOf(environment)) {
    const what = `services.${key}.environment.${variable}`
    const line = source.line('services', key, 'environment', at)
    if (value === undefined) {
      draft.secret(name, variable)
      draft.leftOut(what, `Its value comes from the shell that starts Compose: its name stands in \`secrets:\`. Set it with \`secret set ${name} ${variable}\`; when it is no secret, take it out there and use \`env set ${name} ${variable}=…\`.`, line)
      continue
    }
    const { text, unset } = interpolated(Array.isArray(environment) ? plain(value) : source.text(value, 'services', key, 'environment', at))
    const host = [...roles.keys()].find((other) => hostIn(text, other) && (text !== other || /HOST|SERVER|ADDR/i.test(variable)))
    const role = host === undefined ? undefined : roles.get(host)
    if (role?.type === 'postgres') {
      draft.otherwise(what, variable === 'DATABASE_URL' ? 'Pilot gives DATABASE_URL by `database:`.' : 'Pilot gives the database as DATABASE_URL: read that instead.', line)
    } else if (role?.type === 'other service') {
      draft.leftOut(what, `${host} is not carried over: give the address of another one with \`env set ${name} ${variable}=…\`, or \`secret set ${name} ${variable}\` when it holds a password.`, line)
    } else if (host !== undefined && names.has(host) && host !== key) {
      const other = names.get(host)!
      if (!app.uses?.includes(other)) app.uses = [...(app.uses ?? []), other]
      draft.otherwise(what, variable === linkVariable(other) ? `Pilot gives it by \`uses: [${other}]\`.` : `Read ${linkVariable(other)} instead, which \`uses: [${other}]\` gives.`, line)
    } else if (unset.length > 0) {
      draft.secret(name, variable)
      draft.leftOut(what, `It depends on ${unset.join(', ')} of the shell or of .env: its name stands in \`secrets:\`. Set it with \`secret set ${name} ${variable}\`; when it is no secret, take it out there and use \`env set ${name} ${variable}=…\`.`, line)
    } else if (app['database'] !== undefined && /^(?:POSTGRES|PG)/.test(variable)) {
      draft.otherwise(what, 'Pilot gives the database as DATABASE_URL: read that instead.', line)
    } else {
      draft.variable(name, { name: variable, value: text, what, line })
    }
  }
}

function secretOf({ draft, source }: Work, { key, name, secret }: { key: string; name: string; secret: unknown }): void {
  const given = isMap(secret) ? plain(secret['source'] ?? secret['target']) : plain(secret)
  const variable = given.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')
  const top = isMap(source.root['secrets']) ? source.root['secrets'][given] : undefined
  const file = isMap(top) && typeof top['file'] === 'string' ? ` --from-file ${top['file']}` : ''
  draft.secret(name, variable)
  draft.otherwise(`services.${key}.secrets.${given}`, `Becomes the variable ${variable} instead of the file /run/secrets/${given}: read it there, and set it with \`secret set ${name} ${variable}${file}\`.`, source.line('services', key, 'secrets'))
}

function placeOther(work: Work, key: string, role: Exclude<Role, { type: 'app' }>): void {
  const { draft, source, services, names } = work
  const line = source.line('services', key)
  const service = services.get(key)!
  if (role.type === 'postgres') {
    const users = [...names.values()].filter((name) => draft.apps.get(name)?.['database'] !== undefined)
    const image = plain(service['image'])
    return users.length > 0
      ? draft.otherwise(`services.${key}`, `Becomes \`database:\` of ${users.join(', ')}: PostgreSQL as the platform has it instead of ${image}. Data is not carried over: dump it there, and load it here.`, line)
      : draft.leftOut(`services.${key}`, 'No service depends on it: write `database: postgres` at the app that uses it.', line)
  }
  if (role.type === 'other service') return draft.leftOut(`services.${key}`, `${plain(service['image'])} speaks no HTTP, which an app of Pilot must: run it elsewhere, and give its address to the apps as a variable.`, line)
  const of = names.get(role.of)!
  const app = draft.app(of)
  const command = commandOf(service['command'])
  const shell = Array.isArray(command) ? command.map(quoted).join(' ') : plain(command)
  const own = draft.name(key, line)
  if (role.type === 'release') app['release'] = shell
  else app['processes'] = { ...(app['processes'] as object | undefined), [own]: shell }
  draft.otherwise(`services.${key}`, role.type === 'release' ? `Becomes \`release:\` of ${of}, whose source it shares.` : `Becomes a process of ${of}, whose source it shares, with the variables of ${of}.`, line)
  const theirs = new Map(pairsOf(services.get(role.of)!['environment']).map(({ name, value }) => [name, value]))
  const other = pairsOf(service['environment']).filter(({ name, value }) => theirs.get(name) !== value).map(({ name }) => name)
  if (other.length > 0) draft.leftOut(`services.${key}.environment`, `${other.join(', ')} ${other.length === 1 ? 'differs' : 'differ'} from what ${of} has: a process has the variables of its app. Set what is missing with \`env set ${of} …\`.`, source.line('services', key, 'environment'))
}

function topLevel({ draft, source }: Work, key: string, value: unknown): void {
  if (key.startsWith('x-') || value === null) return
  if (key === 'volumes' && isMap(value)) {
    for (const [name, options] of Object.entries(value)) {
      if (isMap(options) && Object.keys(options).length > 0) draft.leftOut(`volumes.${name}`, 'Its options (driver, name, external) have no meaning here: the volume is made empty. Copy the data over by hand.', source.line('volumes', name))
    }
    return
  }
  if (key === 'secrets') return
  const instead = composeFileKeys[key] ?? 'Pilot does not know it.'
  if (instead !== '') draft.leftOut(key, instead, source.line(key))
}

function unknownKey({ draft, source }: Work, { key, other }: { key: string; other: string }): void {
  const instead = composeServiceKeys[other] ?? 'Pilot has no word for it.'
  if (instead !== '') draft.leftOut(`services.${key}.${other}`, instead, source.line('services', key, other))
}

const commandOf = (command: unknown): string | string[] => (Array.isArray(command) ? command.map((word) => interpolated(plain(word)).text) : interpolated(plain(command)).text)
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
