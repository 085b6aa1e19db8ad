import { readdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { hasErrno, readJsonSync } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/** Where an app is reached, and which deployments answer with which share. One file each, written by clients. */
export interface Route {
  /** Unique in the home, [a-z0-9][a-z0-9.-]*. */
  readonly id: string
  /** Whose requests are counted: for metrics and for pages about the app. */
  readonly app: { readonly project: string; readonly app: string; readonly environment: string }
  /** Lower case, without port: `todo.acme.localhost`. */
  readonly hosts: readonly string[]
  /** Parts of hosts that several apps share: the longest path that a request's begins with, by whole segments, decides. */
  readonly mounts?: readonly Mount[]
  /** The stable port of the app on 127.0.0.1. */
  readonly port?: number
  /** Shares in percent; empty, or `stopped`: the edge answers 503 and says so. */
  readonly weights: readonly RouteWeight[]
  readonly stopped?: boolean
  /** Nothing runs for a moment (a volume is handed over): requests wait a while. */
  readonly paused?: boolean
}

/** A part of a host. The app gets the path whole. */
export interface Mount {
  readonly host: string
  /** `/`, or `/api` without a slash at its end. */
  readonly path: string
}

export interface RouteWeight {
  readonly deployment: string
  readonly percent: number
  readonly upstreams: readonly Upstream[]
}

export type Upstream = ProxyUpstream | SiteUpstream
export type ProxyUpstream = { readonly host: string; readonly port: number } | { readonly socket: string }

/** A folder with a built site, which the edge serves itself. */
export interface SiteUpstream {
  readonly folder: string
  /** What is not there is index.html: the app routes in the browser. */
  readonly spa?: boolean
}

export const isSite = (upstream: Upstream): upstream is SiteUpstream => 'folder' in upstream

/** A listener of its own: the path to another app (`uses`), or to a database. */
export interface Link {
  readonly id: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Networks that may connect, as CIDR or single addresses; absent: all who can reach the listener. */
  readonly allowFrom?: readonly string[]
  /** `route`: HTTP to that route; `tcp`: bytes to that address. */
  readonly to: { readonly route: string } | { readonly tcp: { readonly host: string; readonly port: number } }
}

/** As it lies on disk. */
export type Stored<T> = T & { readonly revision: string }

export interface EdgeConfig {
  readonly routes: ReadonlyMap<string, Stored<Route>>
  readonly links: ReadonlyMap<string, Stored<Link>>
  /** File name → why it could not be read; the edge keeps what it had. */
  readonly broken: ReadonlyMap<string, string>
}

const routeIdPattern = /^[a-z0-9][a-z0-9.-]{0,120}$/

export function readEdgeConfig(paths: HomePaths): EdgeConfig {
  const broken = new Map<string, string>()
  return { routes: readAll(paths.routes, problemOfRoute, broken), links: readAll(paths.links, problemOfLink, broken), broken }
}

/** What is wrong with it, or undefined. */
export function problemOfRoute(route: Partial<Route>): string | undefined {
  if (typeof route.id !== 'string' || !routeIdPattern.test(route.id)) return `the id ${JSON.stringify(route.id)} does not match ${routeIdPattern}`
  if (typeof route.app?.app !== 'string') return 'app is missing'
  if (!Array.isArray(route.hosts) || !route.hosts.every(isHost)) return 'hosts must be lower-case names without port'
  if (route.mounts !== undefined && !(Array.isArray(route.mounts) && route.mounts.every(({ host, path }) => isHost(host) && /^\/(?:[^\s?#]*[^\s?#/])?$/.test(path)))) return 'mounts must be hosts with a path'
  if (route.port !== undefined && !isPort(route.port)) return 'port is none'
  if (!Array.isArray(route.weights)) return 'weights are missing'
  for (const weight of route.weights) {
    if (typeof weight.deployment !== 'string' || !(weight.percent >= 0)) return 'a weight needs deployment and percent'
    if (!Array.isArray(weight.upstreams) || !weight.upstreams.every(isUpstream)) return `the upstreams of ${weight.deployment} need host and port, a socket, or the absolute path of a folder`
  }
  return undefined
}

const isHost = (host: unknown): boolean => typeof host === 'string' && host === host.toLowerCase() && !/[\s/:]/.test(host)

function isUpstream(upstream: Partial<{ host: string; port: number; socket: string; folder: string }>): boolean {
  if ('folder' in upstream) return typeof upstream.folder === 'string' && isAbsolute(upstream.folder)
  return 'socket' in upstream ? typeof upstream.socket === 'string' : typeof upstream.host === 'string' && isPort(upstream.port)
}

export function problemOfLink(link: Partial<Link>): string | undefined {
  if (typeof link.id !== 'string' || !routeIdPattern.test(link.id)) return `the id ${JSON.stringify(link.id)} does not match ${routeIdPattern}`
  if (typeof link.listen?.host !== 'string' || !isPort(link.listen.port)) return 'listen needs host and port'
  if (link.to === undefined || !('route' in link.to ? typeof link.to.route === 'string' : typeof link.to.tcp?.host === 'string' && isPort(link.to.tcp.port))) return 'to needs a route, or tcp with host and port'
  return undefined
}

const isPort = (port: unknown): boolean => Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536

function readAll<T extends { readonly id: string }>(folder: string, problemOf: (value: Partial<T>) => string | undefined, broken: Map<string, string>): ReadonlyMap<string, Stored<T>> {
  const found = new Map<string, Stored<T>>()
  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.json')) continue
    try {
      const value = readJsonSync<Stored<T>>(join(folder, file))
      if (value === undefined) continue
      const problem = `${value.id}.json` === file ? problemOf(value) : `its id is ${JSON.stringify(value.id)}`
      if (problem === undefined) found.set(value.id, value)
      else broken.set(file, problem)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) broken.set(file, (error as Error).message)
    }
  }
  return found
}
