import { join } from 'node:path'
import { defineKind, isPilotError, type AnyKind } from '@pilot/core'
import { readCertificate, readJson, refuseTakenHost, removeFile, replaceJson, type Home } from '@pilot/host'
import * as z from 'zod'
import { ensureCertificate } from '../certificates/ensure.ts'
import { certificateFiles, makeFolders, type Claim } from '../certificates/files.ts'
import { forgetUnwanted } from '../certificates/forget.ts'
import { assertOurs, routeId } from '../ownership.ts'
import { listMarked, markOf, readOwner } from './marks.ts'
import { appIdentity, freeOfCharge } from './shared.ts'

const inputs = z.object({
  id: z.string(),
  app: appIdentity,
  domain: z.string(),
  issuer: z.union([z.object({ type: z.literal('local') }), z.object({ type: z.literal('acme'), directory: z.string(), contact: z.string().optional(), root: z.string().optional() })]),
})
const outputs = z.object({
  /** Whether the edge has one: else the app answers over HTTP only until the authority gives one. */
  issued: z.boolean(),
})

/**
 * The certificate of one domain of an app. It is what the app wants (a claim) and what came of it: an authority that gives none
 * does not hold up a release, since no setting of a name server may stand between a team and the version that mends their app.
 * Renewal changes neither inputs nor outputs and needs no operation. The key lies with the edge only.
 */
export function certificateKind(home: Home): AnyKind {
  const files = certificateFiles(home.dir)
  const path = (id: string): string => join(files.claims, `${id}.json`)

  return defineKind({
    kind: 'local/certificate',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['id', 'app', 'domain'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: ({ domain }) => [{ what: `${domain} over HTTPS, on a port of 127.0.0.1`, to: 'machine' }],

    async create({ inputs: { id, app, domain, issuer }, owner, checkpoint }) {
      const found = await readOwner(path(id))
      if (found) assertOurs({ found, owner, title: `The certificate ${id}` })
      await refuseTakenHost(home, { id: routeId(owner.platformId, app), app, host: domain })
      await checkpoint()
      makeFolders(files)
      replaceJson(path(id), { domain, app, issuer, owner: markOf(owner) } satisfies Claim, { durable: true })
      return { id }
    },
    async settle({ inputs: { domain, issuer }, signal, log }) {
      const outcome = await ensureCertificate({ home, domain, issuer, signal, log }).catch((error: unknown) => {
        if (signal.aborted || !isPilotError(error)) throw error
        log(`${error.message}: ${error.reason ?? ''} ${error.suggestion ?? ''}`.trimEnd())
      })
      if (outcome === 'waiting') log(`${domain} has no certificate yet: \`domains\` says why, and when it is tried again`)
      return { status: 'ready', outputs: { issued: (await readCertificate(home, domain)) !== undefined } }
    },
    async read({ id }) {
      const claim = await readJson<Claim>(path(id))
      if (claim === undefined) return undefined
      const { app, domain, issuer } = claim
      return { inputs: { id, app, domain, issuer }, outputs: { issued: (await readCertificate(home, domain).catch(() => undefined)) !== undefined } }
    },
    list: ({ platformId }) => listMarked({ folder: files.claims, platformId, title: (id) => `certificate ${id}` }),
    async update({ id, inputs: { app, domain, issuer }, owner, checkpoint }) {
      await checkpoint()
      replaceJson(path(id), { domain, app, issuer, owner: markOf(owner) } satisfies Claim, { durable: true })
      return {}
    },
    async delete({ id, recorded, checkpoint }) {
      await checkpoint()
      const domain = (await readJson<Claim>(path(id)).catch(() => undefined))?.domain ?? recorded.domain
      removeFile(path(id))
      if (domain !== undefined) await forgetUnwanted(home, domain)
      return {}
    },
  })
}
