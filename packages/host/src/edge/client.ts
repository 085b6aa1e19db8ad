import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { httpRequest } from './node-http.ts'
import { join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { hasErrno, readJson, removeFile, replaceJson } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { withFileLock } from '../home/lock.ts'
import { releasePort, reservedPorts, reservePort } from '../home/ports.ts'
import { hostProgram } from '../programs.ts'
import { putService, serviceStatus, waitForService, wantedRevision } from '../supervisor/client.ts'
import type { ServiceSpec } from '../supervisor/spec.ts'
import { type Certificate, stampOf } from './certificates.ts'
import { revisionOf, serviceKey } from '../supervisor/service-key.ts'
import { addressKey } from '../supervisor/held-sockets.ts'
import { controlSockets, longestDrainMs } from './control.ts'
import { securePortName, type EdgeState } from './edge.ts'
import { problemOfLink, problemOfRoute, type Link, type Route, type Stored } from './routes.ts'
import type { EdgeMetrics } from './metrics.ts'

export const edgeService = 'edge'

/** Makes sure that the edge of the home runs and answers. Returns the shared port. */
export async function ensureEdge(home: Home, { timeoutMs = 20_000 }: { timeoutMs?: number } = {}): Promise<{ readonly port: number }> {
  const spec = await edgeSpec(home)
  const revision = await putService(home, spec)
  await waitForService(home, edgeService, { revision, timeoutMs, ready: async (status) => (await ask<EdgeState>(home, 'GET', '/state').catch(() => undefined))?.pid === status.process?.pid })
  return { port: await reservePort(home, 'edge') }
}

/** Whether an edge is wanted whose program is not the one that lies here today. */
export async function isEdgeOutdated(home: Home): Promise<boolean> {
  const wanted = wantedRevision(home, edgeService)
  return wanted !== undefined && wanted !== revisionOf(serviceKey(home.paths), await edgeSpec(home))
}

async function edgeSpec(home: Home): Promise<ServiceSpec> {
  const { command, args, env } = hostProgram('edge')
  return {
    name: edgeService,
    command,
    args: [...args, home.dir, String(await reservePort(home, 'edge'))],
    env,
    logFile: join(home.paths.logs, 'edge.log'),
    holdsSockets: true,
    overlap: true,
    stopTimeoutMs: longestDrainMs,
    order: 40,
  }
}

/** Says where an app is reached; returns when the running edge routes so. Throws NAME_TAKEN when another app has one of its hosts, PORT_TAKEN when its port cannot be opened. */
export async function putRoute(home: Home, route: Route): Promise<void> {
  const problem = problemOfRoute(route)
  if (problem !== undefined) throw new PilotError('INTERNAL', `The route ${route.id} cannot be used: ${problem}.`)
  const stored = await withFileLock(join(home.paths.edge, 'routes.lock'), async () => {
    await refuseHostsOfOthers(home, route)
    return await put(home, join(home.paths.routes, `${route.id}.json`), route)
  })
  const states = await apply(home, { ensure: true })
  for (const state of states) {
    if (state.leaving) continue
    if (state.routes[route.id] !== stored.revision) throw notApplied(`route ${route.id}`, state)
    const why = route.port === undefined ? undefined : state.problems[addressKey({ host: '127.0.0.1', port: route.port })]
    if (why !== undefined) throw new PilotError('PORT_TAKEN', `Port ${route.port} of ${route.app.app} cannot be opened.`, { reason: why, details: { port: route.port } })
  }
}

/** As `putRoute`. A listener that cannot be opened yet (its network is not there) is an error too, and is tried again in the background. */
export async function putLink(home: Home, link: Link): Promise<void> {
  const problem = problemOfLink(link)
  if (problem !== undefined) throw new PilotError('INTERNAL', `The link ${link.id} cannot be used: ${problem}.`)
  const stored = await put(home, join(home.paths.links, `${link.id}.json`), link)
  const states = await apply(home, { ensure: true })
  for (const state of states) {
    if (state.leaving) continue
    if (state.links[link.id] !== stored.revision) throw notApplied(`link ${link.id}`, state)
    const why = state.problems[addressKey(link.listen)]
    if (why !== undefined) throw new PilotError('PORT_TAKEN', `${link.listen.host}:${link.listen.port} cannot be opened for ${link.id}.`, { reason: why, details: { ...link.listen } })
  }
}

/** Returns when the running edge answers with it: new handshakes, while connections that are open go on. Throws PORT_TAKEN, and INTERNAL when key and certificate do not fit. */
export async function putCertificate(home: Home, certificate: Certificate): Promise<void> {
  const { domain } = certificate
  if (!domainPattern.test(domain)) throw new PilotError('INTERNAL', `${JSON.stringify(domain)} is no host name.`)
  if (!new X509Certificate(certificate.chain).checkPrivateKey(createPrivateKey(certificate.key))) throw new PilotError('INTERNAL', `The certificate of ${domain} belongs to another key.`)
  const port = await reservePort(home, securePortName)
  const path = certificatePath(home, domain)
  replaceJson(path, certificate, { durable: true })
  const stamp = stampOf(path)
  for (const state of await apply(home, { ensure: true })) {
    if (state.leaving) continue
    if (state.certificates?.[domain] !== stamp) throw notApplied(`certificate of ${domain}`, state)
    const why = state.problems[addressKey({ host: '127.0.0.1', port })]
    if (why !== undefined) throw new PilotError('PORT_TAKEN', `Port ${port} for HTTPS cannot be opened.`, { reason: why, details: { port } })
  }
}

/** Throws NAME_TAKEN when the whole of a host belongs to another route: what is made for it before the route is not made then. */
export async function refuseTakenHost(home: Home, { id, app, host }: Pick<Route, 'id' | 'app'> & { readonly host: string }): Promise<void> {
  await refuseHostsOfOthers(home, { id, app, hosts: [], mounts: [{ host, path: '' }] })
}

/** Absent is success. */
export async function removeCertificate(home: Home, domain: string): Promise<void> {
  removeFile(certificatePath(home, domain))
  await apply(home)
}

/** Undefined when there is none. */
export async function readCertificate(home: Home, domain: string): Promise<Certificate | undefined> {
  return await readJson<Certificate>(certificatePath(home, domain))
}

/** The port of 127.0.0.1 for HTTPS; undefined when no certificate has asked for it yet. */
export async function securePort(home: Home): Promise<number | undefined> {
  return (await reservedPorts(home))[securePortName]
}

/** Nothing is served over HTTPS any more. */
export async function releaseSecurePort(home: Home): Promise<void> {
  await releasePort(home, securePortName)
}

const domainPattern = /^(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/
const certificatePath = (home: Home, domain: string): string => join(home.paths.certificates, `${domain}.json`)

/** Absent is success. */
export async function removeRoute(home: Home, id: string): Promise<void> {
  removeFile(join(home.paths.routes, `${id}.json`))
  await apply(home)
}

/** Absent is success. */
export async function removeLink(home: Home, id: string): Promise<void> {
  removeFile(join(home.paths.links, `${id}.json`))
  await apply(home)
}

export async function readRoute(home: Home, id: string): Promise<Route | undefined> {
  return await readJson<Route>(join(home.paths.routes, `${id}.json`))
}

export async function readLink(home: Home, id: string): Promise<Link | undefined> {
  return await readJson<Link>(join(home.paths.links, `${id}.json`))
}

/** Requests and upgraded connections that these deployments of the route still have, over every edge that serves or leaves. */
export async function openRequests(home: Home, { route, deployments }: { route: string; deployments: readonly string[] }): Promise<number> {
  const query = new URLSearchParams([['route', route], ...deployments.map((deployment): [string, string] => ['deployment', deployment])])
  const answers = await askAll<{ open: number }>(home, 'GET', `/open?${query.toString()}`)
  return answers.reduce((sum, { open }) => sum + open, 0)
}

/** Undefined when no edge runs. */
export async function edgeMetrics(home: Home): Promise<EdgeMetrics | undefined> {
  return await ask<EdgeMetrics>(home, 'GET', '/metrics').catch(notRunning)
}

/** What the running edge has applied; undefined when none runs. */
export async function edgeState(home: Home): Promise<EdgeState | undefined> {
  return await ask<EdgeState>(home, 'GET', '/state').catch(notRunning)
}

/** A host, or a part of one, has one owner; and who has the whole of a host shares it with nobody. */
async function refuseHostsOfOthers(home: Home, { id, app, hosts, mounts = [] }: Pick<Route, 'id' | 'app' | 'hosts' | 'mounts'>): Promise<void> {
  for (const name of await readdir(home.paths.routes)) {
    if (!name.endsWith('.json') || name === `${id}.json`) continue
    const other = await readJson<Route>(join(home.paths.routes, name)).catch(() => undefined)
    const theirs = other?.mounts ?? []
    const shared = mounts.find((each) => theirs.some(({ host, path }) => host === each.host && path === each.path))
    const host = hosts.find((each) => other?.hosts.includes(each) || theirs.some((mount) => mount.host === each)) ?? mounts.find((each) => other?.hosts.includes(each.host))?.host ?? (shared && `${shared.host}${shared.path}`)
    if (host === undefined || other === undefined) continue
    throw new PilotError('NAME_TAKEN', `The host ${host} belongs to ${other.app.project}/${other.app.app} (${other.app.environment}), so ${app.project}/${app.app} (${app.environment}) cannot have it`, {
      suggestion: other.app.project === app.project && other.app.environment === app.environment
        ? `If pilot.yaml gives it to ${app.app} now, run \`up\` again: ${other.app.app} keeps it until its new version is live. Else take it out of \`domains:\` or \`route:\` of one of them.`
        : 'Take it out of `domains:` or `route:` of one of them, or destroy the one that is no longer needed. The same app on two platforms of one machine needs another environment or project name.',
      details: { host, route: other.id },
    })
  }
}

async function put<T extends { readonly id: string }>(home: Home, path: string, value: T): Promise<Stored<T>> {
  const stored = { ...value, revision: revisionOf(serviceKey(home.paths), value) }
  if ((await readJson<Stored<T>>(path).catch(() => undefined))?.revision !== stored.revision) replaceJson(path, stored, { durable: true })
  return stored
}

/** Every edge that runs reads its files again. */
async function apply(home: Home, { ensure = false }: { ensure?: boolean } = {}): Promise<readonly EdgeState[]> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const states = await askAll<EdgeState>(home, 'POST', '/reload')
    if (!ensure || states.some((state) => !state.leaving)) return states
    await ensureEdge(home)
    if (performance.now() > deadline) throw new PilotError('TIMED_OUT', 'The edge does not answer.', { suggestion: `See its log: ${join(home.paths.logs, 'edge.log')}`, details: { status: serviceStatus(home, edgeService) } })
  }
}

function notApplied(what: string, state: EdgeState): PilotError {
  return new PilotError('INTERNAL', `The edge did not apply the ${what}.`, { details: { problems: state.problems } })
}

async function askAll<T>(home: Home, method: string, path: string): Promise<readonly T[]> {
  const answers = await Promise.all(controlSockets(home).map((socketPath) => ask<T>(home, method, path, socketPath).catch(notRunning)))
  return answers.filter((answer) => answer !== undefined)
}

function notRunning(error: unknown): undefined {
  if (hasErrno(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE')) return undefined
  throw error
}

async function ask<T>(home: Home, method: string, path: string, socketPath: string = home.paths.edgeSocket): Promise<T> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, agent: false, timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new PilotError('INTERNAL', `The edge answered ${response.statusCode} to ${method} ${path}.`, { reason: text }))
      })
    })
    request.on('timeout', () => request.destroy(new PilotError('TIMED_OUT', `The edge did not answer ${method} ${path} within 10 s.`)))
    request.on('error', reject)
    request.end()
  })
}
