import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AppIdentity, ErrorBody, Ownership } from '@pilot/core'
import { readJson, replaceJson } from '@pilot/host'

/**
 * Where this provider keeps what belongs to certificates, all of it 0600 in the home. What the edge answers with lies with the
 * edge. Keys stand in these files and nowhere else.
 */
export const certificateFiles = (home: string) => {
  const dir = join(home, 'certificates')
  return {
    dir,
    /** Who wants a certificate: one file per resource. Apps that share a domain share its certificate. */
    claims: join(dir, 'claims'),
    /** Of each domain: when it was tried last, and how that ended. */
    state: (domain: string): string => join(dir, 'state', `${domain}.json`),
    lock: (domain: string): string => join(dir, 'state', `${domain}.lock`),
    /** What an attempt that was killed left with the authority, with its key: the next one goes on with it. */
    pending: (domain: string): string => join(dir, 'state', `${domain}.pending`),
    accounts: join(dir, 'accounts'),
    /** The local authority. Its certificate is for everybody to know. */
    authorityKey: join(home, 'keys', 'ca.key'),
    authority: join(home, 'ca.pem'),
    authorityLock: join(dir, 'ca.lock'),
    /** There as long as the user has this machine trust the local authority. */
    trusted: join(dir, 'trusted.json'),
  } as const
}

export type CertificateFiles = ReturnType<typeof certificateFiles>

export function makeFolders(files: CertificateFiles): void {
  for (const folder of [files.claims, join(files.dir, 'state'), files.accounts]) mkdirSync(folder, { recursive: true, mode: 0o700 })
}

/** Who issues: the authority of this home, or one that speaks ACME. */
export type IssuerSpec = { readonly type: 'local' } | { readonly type: 'acme'; readonly directory: string; readonly contact?: string | undefined; readonly root?: string | undefined }

export interface Claim {
  readonly domain: string
  readonly app: AppIdentity
  readonly issuer: IssuerSpec
  readonly owner: Ownership
}

/** Of a domain. */
export interface IssueState {
  /** Who issued what is there. */
  readonly issuer?: IssuerSpec
  /** Failures in a row. */
  readonly failures: number
  /** ISO 8601. */
  readonly lastTriedAt?: string
  readonly nextTryAt?: string
  readonly error?: ErrorBody
}

export const readState = async (files: CertificateFiles, domain: string): Promise<IssueState> => (await readJson<IssueState>(files.state(domain)).catch(() => undefined)) ?? { failures: 0 }

export const writeState = (files: CertificateFiles, domain: string, state: IssueState): void => replaceJson(files.state(domain), state)
