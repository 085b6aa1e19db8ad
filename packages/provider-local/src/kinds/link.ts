import { join } from 'node:path'
import { defineKind, type AnyKind, type CreateCall, type UpdateCall } from '@pilot/core'
import { putLink, readLink, releasePort, removeLink, reservePort, type Home, type Link } from '@pilot/host'
import * as z from 'zod'
import { assertOurs } from '../ownership.ts'
import { listMarked, markOf, readOwner, type Marked } from './marks.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  listenHost: z.string(),
  /** The name by which the app reaches the listener. */
  callHost: z.string(),
  /** Networks that may connect; empty: whoever reaches the listener. */
  allowFrom: z.array(z.string()),
  /** Another app's route, or the cluster of the apps' databases. */
  to: z.union([z.object({ route: z.string() }), z.object({ postgres: z.literal(true) })]),
})

const outputs = z.object({ host: z.string(), port: z.number(), url: z.string() })

type Inputs = z.output<typeof inputs>
/** The edge needs no `callHost`: it is kept beside what the edge reads, so that a reading gives the URL that apps were given. */
type StoredLink = Link & Marked & { readonly callHost?: string }

/** A listener of the edge for one app: the only way from it to another app or to its database. */
export function linkKind(home: Home, postgresPort: () => Promise<number>): AnyKind {
  const put = async ({ owner, name, inputs: { listenHost, callHost, allowFrom, to } }: Pick<CreateCall<Inputs> | UpdateCall<Inputs>, 'owner' | 'name' | 'inputs'>): Promise<void> => {
    const link: StoredLink = {
      id: name,
      callHost,
      listen: { host: listenHost, port: await reservePort(home, portName(name)) },
      ...(allowFrom.length > 0 ? { allowFrom } : {}),
      to: 'route' in to ? to : { tcp: { host: '127.0.0.1', port: await postgresPort() } },
      owner: markOf(owner),
    }
    await putLink(home, link)
  }
  const outputsOf = (callHost: string, port: number): z.output<typeof outputs> => ({ host: callHost, port, url: `http://${callHost}:${port}` })

  return defineKind({
    kind: 'local/link',
    version: 1,
    inputs,
    outputs,
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: ({ to }) => [{ what: `a path to ${'route' in to ? to.route : 'the database'} for one app`, to: 'machine' }],

    async create(call) {
      const found = await readOwner(join(home.paths.links, `${call.name}.json`))
      if (found) assertOurs({ found, owner: call.owner, title: `The link ${call.name}` })
      await call.checkpoint()
      await put(call)
      return { id: call.name }
    },
    async settle({ id, inputs }) {
      const link = await readLink(home, id)
      return link ? { status: 'ready', outputs: outputsOf(inputs.callHost, link.listen.port) } : { status: 'failed', reason: `The link ${id} is gone` }
    },
    async read({ id, recorded }) {
      const link: StoredLink | undefined = await readLink(home, id)
      if (!link) return undefined
      const callHost = link.callHost ?? recorded.callHost ?? link.listen.host
      const to = 'route' in link.to ? { route: link.to.route } : { postgres: true as const }
      return { inputs: { listenHost: link.listen.host, callHost, allowFrom: [...(link.allowFrom ?? [])], to }, outputs: outputsOf(callHost, link.listen.port) }
    },
    list: ({ platformId }) => listMarked({ folder: home.paths.links, platformId, title: (id) => `link ${id}` }),
    async update(call) {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },
    async delete({ id, checkpoint }) {
      await checkpoint()
      await removeLink(home, id)
      await releasePort(home, portName(id))
      return {}
    },
  })
}

const portName = (id: string): string => `link/${id}`
