import { X509Certificate } from 'node:crypto'

/** What a certificate says of itself. */
export interface CertificateFacts {
  /** For people: the name of who issued it. */
  readonly issuedBy: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
  /** When a third of its life is left. */
  readonly renewAt: string
  readonly sha256: string
}

/** Of the first of a chain. Throws what the parser throws. */
export function factsOf(chain: string): CertificateFacts {
  const { issuer, validFrom, validTo, fingerprint256 } = new X509Certificate(chain)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const names = new Map(issuer.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  return { issuedBy: names.get('CN') ?? names.get('O') ?? issuer, notBefore: new Date(from).toISOString(), notAfter: new Date(to).toISOString(), renewAt: new Date(to - (to - from) / 3).toISOString(), sha256: fingerprint256 }
}

/** Whether the second has signed the first of the chain. */
export function isIssuedBy(chain: string, authority: string): boolean {
  const issuer = new X509Certificate(authority)
  return new X509Certificate(chain).verify(issuer.publicKey)
}
