import type { ErrorBody, PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from './app-identity.ts'

/** Certificates for the domains of apps. What an app wants goes through the engine; what it got, and its renewal, is here. */
export interface CertificateCapability {
  /** Every certificate that apps of the platform want, as it is now. Changes nothing. */
  list(): Promise<readonly CertificateStatus[]>
  /**
   * Renews what is due, and tries again what failed when its time has come; returns what failed now, which is in `list` too.
   * With a domain: that one, due or not, and its failure is thrown. What is there stays until its successor is. May be called
   * at any time, by several at once, and killed.
   */
  renew(call: { readonly domain?: string; readonly signal: AbortSignal; log(line: string): void }): Promise<{ readonly failed: readonly PilotError[] }>
  /** The authority of this machine, made when there is none; absent where only public ones issue. */
  authority?(call: { readonly signal: AbortSignal }): Promise<CertificateAuthority>
  /** Whether the user has this machine trust the authority: addresses of apps are then printed with https. */
  noteTrust?(trusted: boolean): Promise<void>
}

export interface CertificateStatus {
  readonly domain: string
  readonly app: AppIdentity
  /** Who is asked: `local`, or the address of an ACME directory. */
  readonly issuer: string
  /** `failing`: there is one, and the last attempt to renew it failed. */
  readonly state: 'valid' | 'failing' | 'expired' | 'missing'
  /** Where the domain is reached over HTTPS. */
  readonly url?: string
  /** Of the certificate that is there: who issued it, and from when to when it holds (ISO 8601). */
  readonly issuedBy?: string
  readonly notBefore?: string
  readonly notAfter?: string
  readonly renewAt?: string
  readonly sha256?: string
  /** Of the last attempt, when that failed. */
  readonly error?: ErrorBody
  /** Not before: ISO 8601. */
  readonly nextTryAt?: string
}

export interface CertificateAuthority {
  /** Its certificate as PEM: no secret. */
  readonly path: string
  /** As certificates name it. */
  readonly name: string
  readonly sha256: string
  readonly notAfter: string
  /** As `noteTrust` was told. */
  readonly trusted: boolean
}
