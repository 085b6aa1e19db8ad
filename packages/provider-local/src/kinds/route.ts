import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { defineKind, type AnyKind, type CreateCall, type UpdateCall } from '@pilot/core'
import { putRoute, readCertificate, readRoute, releasePort, removeRoute, reservePort, securePort, type Home, type Route } from '@pilot/host'
import * as z from 'zod'
import { certificateFiles } from '../certificates/files.ts'
import { isOfRole } from '../compute/keys.ts'
import { assertOurs } from '../ownership.ts'
import { listMarked, markOf, readOwner, type Marked } from './marks.ts'
import { appIdentity, freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** Known before the route exists, so that links to it can be made first. */
  id: z.string(),
  app: appIdentity,
  hosts: z.array(z.string()),
  /** Parts of hosts that it shares with other apps. */
  mounts: z.array(z.object({ host: z.string(), path: z.string() })).optional(),
  /** Requests wait: nothing of the deployments runs for a moment. */
  paused: z.boolean().default(false),
  weights: z.array(z.object({ deployment: z.string(), percent: z.number(), upstreams: z.array(z.union([z.object({ host: z.string(), port: z.number() }), z.object({ folder: z.string(), spa: z.boolean().optional() })])) })),
})

const outputs = z.object({
  /** By name, through the port that all apps share. */
  url: z.string(),
  /** By a port of the app's own, for tools that cannot resolve names below .localhost. */
  fallbackUrl: z.string(),
  port: z.number(),
})

type Inputs = z.output<typeof inputs>

/** Where an app is reached through the edge, and which deployments answer with which share. */
export function routeKind(home: Home): AnyKind {
  const path = (id: string): string => join(home.paths.routes, `${id}.json`)

  const put = async ({ owner, inputs: { id, app, hosts, mounts, paused, weights } }: Pick<CreateCall<Inputs> | UpdateCall<Inputs>, 'owner' | 'inputs'>): Promise<void> => {
    const route: Route & Marked = { id, app, hosts, ...(mounts ? { mounts } : {}), ...(paused ? { paused } : {}), weights, port: await reservePort(home, portName(id)), ...(weights.length === 0 ? { stopped: true } : {}), owner: markOf(owner) }
    await putRoute(home, route)
  }

  const outputsOf = async (route: Route): Promise<z.output<typeof outputs>> => {
    const port = route.port ?? (await reservePort(home, portName(route.id)))
    const edgePort = await reservePort(home, 'edge')
    const [mount] = route.mounts ?? []
    const path = mount === undefined || mount.path === '/' ? '' : mount.path
    const fallbackUrl = `http://127.0.0.1:${port}${path}`
    const host = mount?.host ?? route.hosts[0]
    const url = (await secureUrl(home, route)) ?? (host ? `http://${host}:${edgePort}` : undefined)
    return { url: url === undefined ? fallbackUrl : `${url}${path}`, fallbackUrl, port }
  }

  return defineKind({
    kind: 'local/route',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['id', 'app'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: ({ hosts }) => [{ what: `${hosts.join(', ')} and a port of the app's own, on 127.0.0.1`, to: 'machine' }],

    async create(call) {
      const { id } = call.inputs
      const found = await readOwner(path(id))
      if (found) assertOurs({ found, owner: call.owner, title: `The route ${id}` })
      await call.checkpoint()
      await put(call)
      return { id }
    },
    async settle({ id }) {
      const route = await readRoute(home, id)
      return route ? { status: 'ready', outputs: await outputsOf(route) } : { status: 'failed', reason: `The route ${id} is gone` }
    },
    async read({ id }) {
      const route = await readRoute(home, id)
      if (!route) return undefined
      const weights = route.weights.map(({ deployment, percent, upstreams }) => ({ deployment, percent, upstreams: upstreams.flatMap((upstream) => ('socket' in upstream ? [] : [upstream])) }))
      return { inputs: { id, app: route.app, hosts: [...route.hosts], ...(route.mounts ? { mounts: route.mounts.map((mount) => ({ ...mount })) } : {}), paused: route.paused === true, weights }, outputs: await outputsOf(route) }
    },
    async list({ platformId }) {
      const listed = await listMarked({ folder: home.paths.routes, platformId, title: (id) => `route ${id}` })
      return listed.filter(({ owner }) => isOfRole(owner.key, 'traffic'))
    },
    async update(call) {
      await call.checkpoint()
      await put(call)
      return {}
    },
    async delete({ id, checkpoint }) {
      await checkpoint()
      await removeRoute(home, id)
      await releasePort(home, portName(id))
      return {}
    },
  })
}

const portName = (id: string): string => `route/${id}`

/**
 * Where a browser opens the app over HTTPS without a warning: at a domain with a certificate that every browser knows the issuer
 * of, by the usual port, through which the authority has found this machine; or by its name below .localhost, once the user has
 * this machine trust the authority of the home.
 */
async function secureUrl(home: Home, { hosts, mounts = [] }: Route): Promise<string | undefined> {
  const port = await securePort(home)
  if (port === undefined) return undefined
  for (const host of [...mounts.map((mount) => mount.host), ...hosts]) {
    const certificate = await readCertificate(home, host).catch(() => undefined)
    if (certificate?.redirect === true) return `https://${host}`
    if (certificate !== undefined && host.endsWith('.localhost') && existsSync(certificateFiles(home.dir).trusted)) return `https://${host}:${port}`
  }
  return undefined
}
