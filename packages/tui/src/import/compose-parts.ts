import { interpolated } from './compose-variables.ts'
import type { Draft, DraftApp } from './draft.ts'
import { looksSecret } from './looks-secret.ts'
import { goDuration } from './units.ts'
import { isMap, listOf, pairsOf, plain, type YamlSource } from './yaml-source.ts'

/** A service on its way into an app. */
export interface ServicePart {
  readonly draft: Draft
  readonly source: YamlSource
  /** The service's. */
  readonly key: string
  readonly app: DraftApp
}

export function buildOf({ draft, source, key, app }: ServicePart, build: unknown): void {
  const { context = '.', dockerfile, args, ...rest } = isMap(build) ? build : { context: build }
  const where = interpolated(plain(context)).text
  if (/^(?:https?:\/\/|git@|ssh:\/\/).*|\.git(?:#|$)/.test(where)) {
    const [git, fragment = ''] = where.split('#')
    const [ref, path] = fragment.split(':')
    app['source'] = { git, ...(ref ? { ref } : {}), ...(path ? { path } : {}) }
  } else {
    app['source'] = where === '.' || where === './' ? '.' : where.replace(/\/$/, '').replace(/^(?![./])/, './')
  }
  const kept: Record<string, string> = {}
  for (const { name, value, key: at } of pairsOf(args)) {
    const what = `services.${key}.build.args.${name}`
    const { text, unset } = interpolated(value === undefined ? '' : source.text(value, 'services', key, 'build', 'args', at))
    const line = source.line('services', key, 'build', 'args', at)
    if (value === undefined || unset.length > 0) draft.leftOut(what, 'Its value comes from the shell: write it below `build:` by hand.', line)
    else if (looksSecret(name, text) !== undefined) draft.leftOut(what, 'It looks like a secret, and build arguments stay readable in the image.', line)
    else kept[name] = text
  }
  const file = typeof dockerfile === 'string' && dockerfile !== 'Dockerfile' ? dockerfile.replace(/^\.\//, '') : undefined
  if (Object.keys(kept).length > 0) app['build'] = { ...(file === undefined ? {} : { dockerfile: file }), args: kept }
  else if (file !== undefined) app['build'] = file
  const instead: Record<string, string> = { target: 'Pilot builds the last stage of the Dockerfile: put the one that you deploy last.', dockerfile_inline: 'Write it to a Dockerfile.' }
  for (const other of Object.keys(rest)) draft.leftOut(`services.${key}.build.${other}`, instead[other] ?? 'Builds have no such option here.', source.line('services', key, 'build', other))
}

/** The first port of TCP is the app's; where it is published does not matter, since Pilot gives the app an address. */
export function portsOf({ draft, source, key, app }: ServicePart, { ports, expose }: { ports: unknown; expose: unknown }): void {
  const inside = (port: unknown): { port: number; tcp: boolean } | undefined => {
    if (isMap(port)) return { port: Number(port['target']), tcp: (port['protocol'] ?? 'tcp') === 'tcp' }
    const [, target, protocol = 'tcp'] = /(?:^|:)(\d+)(?:\/(\w+))?$/.exec(interpolated(plain(port)).text) ?? []
    return target === undefined ? undefined : { port: Number(target), tcp: protocol === 'tcp' }
  }
  const written = [...listOf(ports).map((port, index) => ({ port, list: 'ports', index })), ...listOf(expose).map((port, index) => ({ port, list: 'expose', index }))]
  for (const { port, list, index } of written) {
    const found = inside(port)
    const what = `services.${key}.${list}`
    const line = source.line('services', key, list, index)
    if (found === undefined || !(found.port > 0)) draft.leftOut(what, `${JSON.stringify(port)} is more than one port: an app has one, as \`port:\`.`, line)
    else if (!found.tcp) draft.leftOut(what, 'Apps speak HTTP over TCP only.', line)
    else if (app['port'] === undefined) app['port'] = found.port
    else if (app['port'] !== found.port) draft.leftOut(what, `An app has one port, which is ${plain(app['port'])}; ${found.port} is not reachable.`, line)
  }
  if (written.length === 0) draft.otherwise(`services.${key}`, 'It publishes no port, and an app must answer HTTP. When it only works in the background, write its command as one of the `processes:` and `scale: 0`.', source.line('services', key))
}

export function healthOf({ draft, source, key, app }: ServicePart, healthcheck: unknown): void {
  if (!isMap(healthcheck)) return
  const line = source.line('services', key, 'healthcheck')
  const { test, interval, timeout, start_period: grace, disable } = healthcheck
  const command = Array.isArray(test) ? test.join(' ') : plain(test)
  const [, path = '/'] = /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\S*?)?(\/[^\s"'|]*)?(?=["'\s|]|$)/.exec(command) ?? []
  const isHttp = /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])/.test(command)
  if (disable === true || command === 'NONE' || !isHttp) return draft.leftOut(`services.${key}.healthcheck`, 'Pilot asks the app over HTTP: any answer below 500 on / is healthy, or name a path with `health:`.', line)
  const times = Object.fromEntries(Object.entries({ interval: goDuration(interval), timeout: goDuration(timeout), grace: goDuration(grace) }).filter(([, value]) => value !== undefined))
  app['health'] = Object.keys(times).length > 0 ? { path, ...times } : path
}

export function volumesOf({ draft, source, key, app }: ServicePart, volumes: unknown): void {
  const kept: Record<string, string> = {}
  for (const [index, volume] of listOf(volumes).entries()) {
    const line = source.line('services', key, 'volumes', index)
    const parts = isMap(volume) ? [volume['source'], volume['target']].map((part) => (part === undefined ? undefined : plain(part))) : plain(volume).split(':')
    const [from, to] = parts.length === 1 ? [undefined, parts[0]] : parts
    const what = `services.${key}.volumes`
    if (from === undefined || to === undefined) draft.leftOut(what, `${to ?? from} has no name: give it one below \`volumes:\`.`, line)
    else if (/^[./~$]/.test(from) || (isMap(volume) && volume['type'] !== 'volume')) draft.leftOut(what, `${from} is a folder of the machine: what the app needs of it belongs into the image or the source.`, line)
    else kept[draft.name(from, line)] = to
  }
  if (Object.keys(kept).length > 0) app['volumes'] = kept
}
