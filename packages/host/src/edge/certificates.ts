import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SecureContext } from 'node:tls'
import { hasErrno, readJsonSync } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/** What the edge answers one domain with over TLS. One file each, 0600, since the key is in it; written by clients. */
export interface Certificate {
  readonly domain: string
  /** PEM. */
  readonly key: string
  /** PEM, the domain's own certificate first. */
  readonly chain: string
  /** Requests over plain HTTP are sent to HTTPS: for certificates that every browser knows the issuer of. */
  readonly redirect?: boolean
}

/** The files of certificates as contexts for handshakes. Replaced one by one: connections that are open keep theirs. */
export interface Certificates {
  /** Reads what is new. A file that cannot be used changes nothing, and is in `broken` with the reason. */
  apply(): void
  contextOf(domain: string): SecureContext | undefined
  redirects(domain: string): boolean
  /** Domain → which state of its file is applied. */
  applied(): Readonly<Record<string, string>>
  readonly broken: ReadonlyMap<string, string>
}

interface Active {
  readonly stamp: string
  readonly redirect: boolean
  readonly context: SecureContext
}

export function createCertificates(paths: Pick<HomePaths, 'certificates'>): Certificates {
  const active = new Map<string, Active>()
  const broken = new Map<string, string>()
  /** Not read again as long as it stays as it is. */
  const brokenStamps = new Map<string, string>()

  function apply(): void {
    const files = readdirSync(paths.certificates).filter((file) => file.endsWith('.json'))
    const domains = new Set(files.map(domainOf))
    for (const domain of active.keys()) if (!domains.has(domain)) active.delete(domain)
    for (const file of broken.keys()) {
      if (domains.has(domainOf(file))) continue
      broken.delete(file)
      brokenStamps.delete(file)
    }
    for (const file of files) {
      const stamp = stampOf(join(paths.certificates, file))
      if (stamp === undefined || active.get(domainOf(file))?.stamp === stamp || brokenStamps.get(file) === stamp) continue
      try {
        const certificate = readJsonSync<Certificate>(join(paths.certificates, file))
        if (certificate === undefined) continue
        active.set(domainOf(file), { stamp, redirect: certificate.redirect === true, context: contextFrom(certificate) })
        broken.delete(file)
        brokenStamps.delete(file)
      } catch (error) {
        broken.set(file, (error as Error).message)
        brokenStamps.set(file, stamp)
      }
    }
  }

  return {
    apply,
    broken,
    contextOf: (domain) => active.get(domain)?.context,
    redirects: (domain) => active.get(domain)?.redirect === true,
    applied: () => Object.fromEntries([...active].map(([domain, { stamp }]) => [domain, stamp])),
  }
}

/** Undefined when there is none. Another one once the file was replaced. */
export function stampOf(path: string): string | undefined {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true })
    return `${ino}-${size}-${mtimeNs}`
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** TLS is loaded with the first certificate: an edge without any does without it. Throws when key and certificate do not fit. */
const contextFrom = ({ key, chain }: Certificate): SecureContext => process.getBuiltinModule('node:tls').createSecureContext({ key, cert: chain, minVersion: 'TLSv1.2' })

const domainOf = (file: string): string => file.slice(0, -'.json'.length)
