import { PilotError } from '@pilot/core/errors'
import { buildpacksOf, needsPack } from './buildpacks.ts'
import { createDraft, type Draft, type DraftApp, type Imported, type ImportInput } from './draft.ts'
import { knownImage } from './images.ts'
import { kamalBuilderKeys, kamalKeys, kamalProxyKeys, kamalRoleKeys } from './kamal-keys.ts'
import { looksSecret } from './looks-secret.ts'
import { dockerSize, goDuration } from './units.ts'
import { isMap, listOf, pairsOf, plain, readYamlSource, type YamlSource } from './yaml-source.ts'

interface Work {
  readonly source: YamlSource
  readonly draft: Draft
  readonly root: Record<string, unknown>
  readonly name: string
  readonly app: DraftApp
  /** Names of accessories, as hosts: `shop-db`. */
  readonly accessories: ReadonlyMap<string, { readonly key: string; readonly known: ReturnType<typeof knownImage> }>
}

/** Kamal's config/deploy.yml: the service is an app, its other roles are processes. Throws USAGE for what is none. */
export function importKamal({ text, file, project }: ImportInput): Imported {
  const source = readYamlSource({ text: withoutErbLines(text), file })
  const root = withoutRuby(source.root) as Record<string, unknown>
  if (typeof root['service'] !== 'string' && !isMap(root['servers']) && !Array.isArray(root['servers'])) throw new PilotError('USAGE', `${file} has neither service nor servers.`, { suggestion: 'Check that it is the deploy.yml of Kamal; nothing was written.' })
  const service = typeof root['service'] === 'string' ? root['service'] : project
  const draft = createDraft(service)
  const name = 'web'
  const accessories = new Map(Object.entries(isMap(root['accessories']) ? root['accessories'] : {}).map(([key, value]) => [isMap(value) && typeof value['service'] === 'string' ? value['service'] : `${service}-${key}`, { key, known: knownImage(isMap(value) ? plain(value['image']) : '') }]))
  const work: Work = { source, draft, root, name, app: draft.app(name), accessories }
  work.app['source'] = '.'

  builderOf(work)
  serversOf(work)
  proxyOf(work)
  databaseOf(work)
  variablesOf(work, root['env'], ['env'])
  volumesOf(work)
  aliasesOf(work)
  const handled = new Set(['service', 'image', 'servers', 'env', 'builder', 'proxy', 'accessories', 'volumes', 'aliases', 'deploy_timeout', 'healthcheck'])
  for (const key of Object.keys(root).filter((key) => !handled.has(key) && !key.startsWith('x-'))) leaveOut(work, [key], kamalKeys[key])
  text.split(/\r?\n/).forEach((line, index) => line.includes('<%') && draft.leftOut('<% … %>', 'Ruby in the file is not run: write what it gives by hand.', index + 1))
  return draft.finish()
}

/** Ruby on a line of its own is no YAML, and as a value it would be taken for text. */
const withoutErbLines = (text: string): string => text.replaceAll(/^([ \t]*)<%(?!=).*%>[ \t]*$/gm, '$1#').replaceAll(/<%=.*?%>/g, ofRuby)
const ofRuby = '__value_of_ruby__'

/** Without what Ruby would have given. */
function withoutRuby(value: unknown): unknown {
  const kept = (part: unknown): boolean => !plain(part).includes(ofRuby)
  if (Array.isArray(value)) return value.filter(kept).map(withoutRuby)
  return isMap(value) ? Object.fromEntries(Object.entries(value).filter(([, part]) => isMap(part) || Array.isArray(part) || kept(part)).map(([key, part]) => [key, withoutRuby(part)])) : value
}

function builderOf({ draft, source, root, app }: Work): void {
  const builder = isMap(root['builder']) ? root['builder'] : {}
  const { dockerfile, context, args, pack, ...rest } = builder
  if (typeof context === 'string' && context !== '.') app['source'] = context
  const kept: Record<string, string> = {}
  for (const { name: arg, value, key } of pairsOf(args)) {
    const text = source.text(value, 'builder', 'args', key)
    if (looksSecret(arg, text) !== undefined) draft.leftOut(`builder.args.${arg}`, 'It looks like a secret, and build arguments stay readable in the image.', source.line('builder', 'args', key))
    else kept[arg] = text
  }
  const file = typeof dockerfile === 'string' && dockerfile !== 'Dockerfile' ? dockerfile : undefined
  if (isMap(pack)) {
    const named = buildpacksOf(plain(pack['builder']), Array.isArray(pack['buildpacks']) ? pack['buildpacks'].map(plain) : [])
    app['build'] = Object.keys(kept).length === 0 ? (named ?? 'buildpack') : { ...(named ?? { buildpack: true }), args: kept }
    draft.otherwise('builder.pack', needsPack, source.line('builder', 'pack'))
  }
  else if (Object.keys(kept).length > 0) app['build'] = { ...(file === undefined ? {} : { dockerfile: file }), args: kept }
  else if (file !== undefined) app['build'] = file
  for (const key of Object.keys(rest)) leaveOut({ draft, source }, ['builder', key], kamalBuilderKeys[key])
}

/** The primary role is the app; the others run beside it. */
function serversOf(work: Work): void {
  const { draft, source, root, app } = work
  const roles = Array.isArray(root['servers']) ? { web: root['servers'] } : isMap(root['servers']) ? root['servers'] : {}
  const primary = typeof root['primary_role'] === 'string' ? root['primary_role'] : 'web'
  const hosts = new Set<string>()
  const processes: Record<string, string> = {}
  for (const [role, written] of Object.entries(roles)) {
    const path = Array.isArray(root['servers']) ? ['servers'] : ['servers', role]
    const settings: Record<string, unknown> = isMap(written) ? written : { hosts: written }
    const { hosts: own, cmd, env, options, proxy, ...rest } = settings
    for (const host of listOf(own)) hosts.add(isMap(host) ? Object.keys(host)[0]! : plain(host))
    if (role === primary) {
      if (typeof cmd === 'string') app['command'] = cmd
      limitsOf(work, options, path)
      variablesOf(work, env, [...path, 'env'])
    } else {
      const line = source.line(...path)
      if (typeof cmd === 'string') processes[draft.name(role, line)] = cmd
      else draft.leftOut(path.join('.'), 'It has no `cmd`, so it would run the same as the app: use `scale:`.', line)
      for (const key of ['env', 'options'].filter((key) => settings[key] !== undefined)) draft.leftOut([...path, key].join('.'), 'A process has the variables and limits of its app.', source.line(...path, key))
      if (proxy !== undefined && proxy !== false) draft.leftOut([...path, 'proxy'].join('.'), 'Processes get no traffic: make it an app of its own.', source.line(...path, 'proxy'))
    }
    for (const key of Object.keys(rest)) leaveOut(work, [...path, key], kamalRoleKeys[key])
  }
  app['processes'] = processes
  if (hosts.size > 0) draft.otherwise('servers', `Where the app runs is the platform's: ${hosts.size === 1 ? 'the host is' : `the ${hosts.size} hosts are`} not carried over. \`scale:\` says how many instances run.`, source.line('servers'))
}

function limitsOf({ draft, source, app }: Pick<Work, 'draft' | 'source' | 'app'>, options: unknown, path: readonly string[]): void {
  for (const [key, value] of Object.entries(isMap(options) ? options : {})) {
    const size = key === 'memory' ? dockerSize(value) : undefined
    if (size !== undefined) app['memory'] = size
    else if (key === 'cpus' && Number(value) > 0) app['cpu'] = Number(value)
    else draft.leftOut([...path, 'options', key].join('.'), 'Options of `docker run` have no meaning here.', source.line(...path, 'options', key))
  }
}

/** Kamal's own defaults: port 80, and /up within the deploy timeout of 30 seconds. */
function proxyOf({ draft, source, root, app }: Work): void {
  const { proxy, healthcheck, deploy_timeout: deployTimeout } = root
  const settings = isMap(proxy) ? proxy : {}
  const { host, hosts, app_port: port, healthcheck: check, ...rest } = settings
  const domains = [...new Set([...listOf(host), ...listOf(hosts)].flatMap((name) => plain(name).split(',')).map((name) => name.trim()))].filter((name) => name !== '')
  if (domains.length > 0) app['domains'] = domains
  const old = isMap(healthcheck) ? healthcheck : {}
  app['port'] = Number(port ?? old['port'] ?? (isMap(healthcheck) ? 3000 : 80))
  const { path = '/up', interval, timeout } = { ...old, ...(isMap(check) ? check : {}) }
  const times = Object.fromEntries(Object.entries({ interval: goDuration(interval), timeout: goDuration(timeout), grace: goDuration(deployTimeout) }).filter(([, value]) => value !== undefined))
  app['health'] = Object.keys(times).length > 0 ? { path: plain(path), ...times } : plain(path)
  if (proxy === false) draft.leftOut('proxy', 'An app that gets no traffic: write what it runs as `processes:`.', source.line('proxy'))
  for (const key of Object.keys(rest)) leaveOut({ draft, source }, ['proxy', key], kamalProxyKeys[key])
}

function databaseOf({ draft, source, root, app, name, accessories }: Work): void {
  const written = isMap(root['accessories']) ? root['accessories'] : {}
  for (const [host, { key, known }] of accessories) {
    const accessory = isMap(written[key]) ? written[key] : {}
    const line = source.line('accessories', key)
    const image = plain(accessory['image'])
    if (known === 'postgres' && app['database'] === undefined) {
      app['database'] = 'postgres'
      draft.otherwise(`accessories.${key}`, `Becomes \`database: postgres\` of ${name}, given as DATABASE_URL: PostgreSQL as the platform has it instead of ${image}. Data is not carried over: dump it there, and load it here.`, line)
    } else {
      draft.leftOut(`accessories.${key}`, `${image || key} runs on where it is, or elsewhere: give its address to the app (${host} today) with \`env set ${name} …\`, or with \`secret set\` when it holds a password. What answers HTTP can be an app of its own, with \`image:\`.`, line)
    }
  }
}

/** `clear` and `secret`, or plain pairs. `ALIAS:NAME` gives the secret NAME as ALIAS. */
function variablesOf({ draft, source, name, app, accessories }: Work, env: unknown, path: readonly string[]): void {
  if (!isMap(env)) return
  const isSplit = 'clear' in env || 'secret' in env
  for (const { name: variable, value, key } of pairsOf(isSplit ? env['clear'] : Object.fromEntries(Object.entries(env).filter(([key]) => key !== 'tags')))) {
    const at = isSplit ? [...path, 'clear', key] : [...path, key]
    const line = source.line(...at)
    const what = at.join('.')
    const text = source.text(value, ...at)
    const accessory = [...accessories].find(([host]) => text.includes(host))?.[1]
    if (variable === 'DATABASE_URL' && app['database'] !== undefined) draft.otherwise(what, 'Pilot gives DATABASE_URL by `database:`.', line)
    else if (accessory?.known === 'postgres' && app['database'] !== undefined) draft.otherwise(what, 'Pilot gives the database as DATABASE_URL: read that instead.', line)
    else if (accessory) draft.leftOut(what, `It is the address of the accessory ${accessory.key}, which is not carried over: give the new one with \`env set ${name} ${variable}=…\`.`, line)
    else draft.variable(name, { name: variable, value: text, what, line })
  }
  for (const [index, secret] of listOf(env['secret']).entries()) {
    const [variable = '', of] = plain(secret).split(':')
    const line = source.line(...path, 'secret', index)
    const what = [...path, 'secret', variable].join('.')
    if (variable === 'DATABASE_URL' && app['database'] !== undefined) draft.otherwise(what, 'Pilot gives DATABASE_URL by `database:`.', line)
    else {
      draft.secret(name, variable)
      draft.otherwise(what, `Its value stands in .kamal/secrets${of === undefined ? '' : ` as ${of}`}: set it with \`secret set ${name} ${variable}\`.`, line)
    }
  }
  if (env['tags'] !== undefined) draft.leftOut([...path, 'tags'].join('.'), 'Variables are the same for all instances of an app.', source.line(...path, 'tags'))
}

function volumesOf({ draft, source, root, app }: Work): void {
  const kept: Record<string, string> = {}
  for (const [index, volume] of listOf(root['volumes']).entries()) {
    const [from = '', to] = plain(volume).split(':')
    const line = source.line('volumes', index)
    if (to === undefined || /^[./~$]/.test(from)) draft.leftOut('volumes', `${from} is a folder of the server: what the app needs of it belongs into the image or the source.`, line)
    else kept[draft.name(from, line)] = to
  }
  app['volumes'] = kept
}

function aliasesOf({ draft, source, root, name }: Work): void {
  for (const [alias, command] of Object.entries(isMap(root['aliases']) ? root['aliases'] : {})) {
    const inner = /app exec\b.*?"(.+)"/.exec(plain(isMap(command) ? command['command'] : command))?.[1]
    draft.leftOut(`aliases.${alias}`, inner === undefined ? 'Aliases belong to your shell.' : `Type \`run ${name} -- ${inner}\`, or make it an alias of your shell.`, source.line('aliases', alias))
  }
}

function leaveOut({ draft, source }: Pick<Work, 'draft' | 'source'>, path: readonly string[], instead = 'Pilot has no word for it.'): void {
  if (instead !== '') draft.leftOut(path.join('.'), instead, source.line(...path))
}
