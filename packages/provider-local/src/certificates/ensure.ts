import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { errorBody, PilotError, toPilotError } from '@pilot/core'
import { hasErrno, putCertificate, readCertificate, withFileLock, type Certificate, type Home } from '@pilot/host'
import { factsOf, isIssuedBy } from './facts.ts'
import { certificateFiles, makeFolders, readState, writeState, type CertificateFiles, type IssueState, type IssuerSpec } from './files.ts'
import { runIssuer } from './run-issuer.ts'

export interface EnsureCall {
  readonly home: Home
  readonly domain: string
  readonly issuer: IssuerSpec
  /** Also when it is not due, or when it is too soon after a failure. */
  readonly force?: boolean
  /** How long it waits for somebody else who is at the same domain. */
  readonly patienceMs?: number
  readonly signal: AbortSignal
  log(line: string): void
}

/** With the time that a certificate may take, less than a call of the engine may: no release fails for it. */
const usualPatienceMs = 8_000

/**
 * Makes sure that the edge has a certificate for a domain that is not about to end. One at a time for each domain, among all
 * processes: while somebody else takes long, it is `waiting`. Throws CERTIFICATE_FAILED after writing down why, and when it is
 * tried again; what was there before stays.
 */
export async function ensureCertificate(call: EnsureCall): Promise<'kept' | 'issued' | 'waiting'> {
  const { home, domain, force = false, patienceMs = usualPatienceMs } = call
  const files = certificateFiles(home.dir)
  makeFolders(files)
  try {
    return await withFileLock(files.lock(domain), () => ensureAlone(call, files), { timeoutMs: patienceMs })
  } catch (error) {
    if (!hasErrno(error, 'LOCK_HELD')) throw error
    if (force) throw new PilotError('CERTIFICATE_FAILED', `A certificate for ${domain} is being asked for already`, { suggestion: '`domains` shows what came of it, in a minute.', cause: error })
    return 'waiting'
  }
}

async function ensureAlone({ home, domain, issuer, force = false, signal, log }: EnsureCall, files: CertificateFiles): Promise<'kept' | 'issued' | 'waiting'> {
  const state = await readState(files, domain)
  const current = await readCertificate(home, domain).catch(() => undefined)
  const fits = current !== undefined && isDeepStrictEqual(state.issuer, issuer) && (issuer.type === 'acme' || isOfAuthority(files, current))
  if (!force && fits && !isDue(current)) return 'kept'
  if (!force && isTooSoon(state)) return 'waiting'
  const lastTriedAt = new Date().toISOString()
  try {
    const issued = await runIssuer({ home: home.dir, issuer, domain }, { signal, log })
    await putCertificate(home, { domain, ...issued, redirect: issuer.type === 'acme' })
    writeState(files, domain, { issuer, failures: 0, lastTriedAt })
    log(`certificate for ${domain} until ${factsOf(issued.chain).notAfter.slice(0, 10)}, by ${factsOf(issued.chain).issuedBy}`)
    return 'issued'
  } catch (error) {
    if (signal.aborted) throw error
    const failed = toPilotError(error)
    const failures = state.failures + 1
    writeState(files, domain, { ...(state.issuer === undefined ? {} : { issuer: state.issuer }), failures, lastTriedAt, nextTryAt: new Date(Date.now() + backOffMs(failures, failed)).toISOString(), error: errorBody(failed) })
    throw failed
  }
}

const minute = 60_000
const longestMs = 12 * 60 * minute

/** A quarter of an hour, doubled by each further failure up to half a day: authorities count attempts that fail. When they say when to come again, then. */
export function backOffMs(failures: number, { details }: { readonly details?: PilotError['details'] }): number {
  const { rateLimited, retryAfter } = details ?? {}
  const asked = typeof retryAfter === 'string' ? (/^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now()) : Number.NaN
  if (asked > 0) return Math.min(asked + minute, 7 * 24 * 60 * minute)
  return rateLimited === true ? longestMs : Math.min(longestMs, 15 * minute * 2 ** (failures - 1))
}

/** A clock that was wrong, and was set back since, keeps nobody waiting. */
const isTooSoon = ({ lastTriedAt, nextTryAt }: IssueState): boolean => nextTryAt !== undefined && Date.parse(nextTryAt) > Date.now() && !(Date.parse(lastTriedAt ?? '') > Date.now())

const isDue = ({ chain }: Certificate): boolean => Date.parse(factsOf(chain).renewAt) <= Date.now()

/** Not after the authority of the home was made anew. */
const isOfAuthority = (files: CertificateFiles, { chain }: Certificate): boolean => existsSync(files.authority) && isIssuedBy(chain, readFileSync(files.authority, 'utf8'))
