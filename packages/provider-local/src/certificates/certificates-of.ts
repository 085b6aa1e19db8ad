import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CertificateStatus } from '@pilot/core'
import { hasErrno, readCertificate, readJson, securePort, type Home } from '@pilot/host'
import { factsOf } from './facts.ts'
import { certificateFiles, readState, type Claim } from './files.ts'

/** Every certificate that apps of a platform (or of the whole home) want, as it is now: read from files, changing nothing. */
export async function certificatesOf(home: Home, platformId?: string): Promise<readonly CertificateStatus[]> {
  const claims = (await readClaims(home)).filter(({ owner }) => platformId === undefined || owner.platformId === platformId)
  const port = await securePort(home)
  const all = await Promise.all(claims.map((claim) => statusOf(home, claim, port)))
  return all.sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
}

/** Of what cannot be read nothing is known: it is left out, or with `all` thrown. */
export async function readClaims(home: Home, { all = false }: { readonly all?: boolean } = {}): Promise<readonly Claim[]> {
  const { claims } = certificateFiles(home.dir)
  const orNothing = (error: unknown): undefined => {
    if (all && !hasErrno(error, 'ENOENT')) throw error
  }
  const names = (await readdir(claims).catch(orNothing)) ?? []
  const found = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => readJson<Claim>(join(claims, name)).catch(orNothing)))
  return found.filter((claim) => claim !== undefined)
}

async function statusOf(home: Home, { domain, app, issuer }: Claim, port: number | undefined): Promise<CertificateStatus> {
  const { failures, error, nextTryAt } = await readState(certificateFiles(home.dir), domain)
  const facts = await readCertificate(home, domain).then((certificate) => certificate && factsOf(certificate.chain)).catch(() => undefined)
  const left = facts === undefined ? undefined : Date.parse(facts.notAfter) - Date.now()
  return {
    domain,
    app,
    issuer: issuer.type === 'local' ? 'local' : issuer.directory,
    state: left === undefined ? 'missing' : left <= 0 ? 'expired' : failures > 0 ? 'failing' : 'valid',
    ...(facts === undefined ? {} : facts),
    ...(facts === undefined || port === undefined ? {} : { url: issuer.type === 'acme' ? `https://${domain}` : `https://${domain}:${port}` }),
    ...(error === undefined ? {} : { error }),
    ...(nextTryAt === undefined ? {} : { nextTryAt }),
  }
}

const keyOf = ({ app, domain }: CertificateStatus): string => [app.project, app.environment, app.app, domain].join('/')
