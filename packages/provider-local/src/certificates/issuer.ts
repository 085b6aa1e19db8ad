import type { ErrorBody } from '@pilot/core'
import type { Challenge } from '@pilot/host'

/** Both halves as PEM; of the chain the domain's own certificate first. */
export interface Issued {
  readonly key: string
  readonly chain: string
}

/**
 * Gives a certificate for a domain, however long that takes. May be killed at any moment: the next call goes on or begins anew.
 * Throws CERTIFICATE_FAILED with what the authority said.
 */
export interface Issuer {
  issue(call: { readonly domain: string; log(line: string): void }): Promise<Issued>
}

/** How an ACME issuer shows that a domain is ours. */
export interface Challenges {
  put(challenge: Challenge): void
  remove(challenge: Challenge): void
  /** Where the authority asks for it. */
  url(challenge: Challenge): string
}

/** What the program that issues answers, one line each. */
export type IssuerAnswer = { readonly log: string } | { readonly issued: Issued } | { readonly error: ErrorBody }
