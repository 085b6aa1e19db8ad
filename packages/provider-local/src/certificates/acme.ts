import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { PilotError } from '@pilot/core'
import { readJson, replaceJson, withFileLock } from '@pilot/host'
import acme from 'acme-client'
import type { CertificateFiles, IssuerSpec } from './files.ts'
import type { Challenges, Issued, Issuer } from './issuer.ts'

/**
 * Certificates by ACME (RFC 8555) with HTTP-01: the edge answers what the authority asks for at the domain itself.
 *
 * By acme-client, which does the whole protocol (nonces, keys, retries) against every authority that we know of, and has no
 * program of its own; how far an order has come is kept here, so that one that was interrupted is not ordered again.
 */
type AcmeSpec = Extract<IssuerSpec, { type: 'acme' }>

/** What is kept of an order until its certificate is there: the key must be the one that it was asked for. */
interface Pending {
  readonly directory: string
  readonly order: string
  readonly key: string
}

interface Account {
  readonly key: string
}

export function acmeIssuer(files: CertificateFiles, spec: AcmeSpec, challenges: Challenges): Issuer {
  const traffic = watchTraffic(spec)
  const settings = (acme.axios.defaults as unknown as { acmeSettings: { retryMaxAttempts: number; retryDefaultDelay: number } }).acmeSettings
  // Too many requests, or a server in trouble: said at once, and tried again much later.
  settings.retryMaxAttempts = 0

  return {
    async issue({ domain, log }) {
      const asked: string[] = []
      try {
        // Several domains may be asked for at once, and share one account.
        const client = await withFileLock(join(files.accounts, 'lock'), () => clientOf({ files, spec, traffic, log }))
        return await order({ client, files, spec, traffic, domain, challenges, asked, log })
      } catch (error) {
        throw explained(error, { domain, directory: spec.directory, asked, traffic })
      }
    },
  }
}

interface OrderCall {
  readonly client: acme.Client
  readonly files: CertificateFiles
  readonly spec: AcmeSpec
  readonly traffic: Traffic
  readonly domain: string
  readonly challenges: Challenges
  /** The URL that the authority was told to ask, until it says that it was right. */
  readonly asked: string[]
  log(line: string): void
}

async function order(call: OrderCall): Promise<Issued> {
  const { client, files, spec, traffic, domain, log } = call
  const known = await readJson<Pending>(files.pending(domain)).catch(() => undefined)
  const resumed = known?.directory === spec.directory ? await resume(call, known) : undefined
  const key = resumed === undefined ? (await acme.crypto.createPrivateEcdsaKey('P-256')).toString() : known!.key
  const started = resumed ?? (await client.createOrder({ identifiers: [{ type: 'dns', value: domain }] }))
  replaceJson(files.pending(domain), { directory: spec.directory, order: started.url, key } satisfies Pending, { durable: true })
  log(resumed === undefined ? `asked ${spec.directory} for a certificate for ${domain}` : `went on with the order for ${domain}, which is ${resumed.status}`)
  try {
    if (started.status === 'pending') for (const authorization of await client.getAuthorizations(started)) await authorize(call, authorization)
    const current = await client.getOrder(started)
    const [, csr] = await acme.crypto.createCsr({ commonName: domain, altNames: [domain] }, key)
    const finalized = current.status === 'valid' || current.status === 'processing' ? current : await client.finalizeOrder(current, csr)
    const chain = await client.getCertificate(finalized)
    rmSync(files.pending(domain), { force: true })
    return { key, chain }
  } catch (error) {
    // An order that failed is of no use to the next attempt; one of which nobody knows may be.
    if (traffic.broken() === undefined) rmSync(files.pending(domain), { force: true })
    throw error
  }
}

/** Undefined when the authority has forgotten it, or it cannot become a certificate any more. */
async function resume({ client, traffic }: OrderCall, { order: url }: Pending): Promise<acme.Order | undefined> {
  const found = await client.getOrder({ url } as acme.Order).catch((error: unknown) => {
    if (traffic.broken() !== undefined) throw error
    return undefined
  })
  return found === undefined || found.status === 'invalid' ? undefined : { ...found, url }
}

async function authorize({ client, domain, challenges, asked, log }: OrderCall, authorization: acme.Authorization): Promise<void> {
  if (authorization.status === 'valid') return
  const found = authorization.challenges.find(({ type }) => type === 'http-01')
  if (found === undefined) throw new PilotError('CERTIFICATE_FAILED', `The certificate authority does not verify ${domain} by HTTP`, { reason: `It offers ${authorization.challenges.map(({ type }) => type).join(', ')}.` })
  const challenge = { domain, token: found.token, answer: await client.getChallengeKeyAuthorization(found) }
  challenges.put(challenge)
  try {
    const url = challenges.url(challenge)
    asked.push(url)
    log(`${domain}: ${url} is asked for`)
    // A challenge that an interrupted attempt has begun is only waited for.
    if (found.status === 'pending') await client.completeChallenge(found)
    await client.waitForValidStatus(found)
    asked.length = 0
  } finally {
    challenges.remove(challenge)
  }
}

/** The account of this home with the authority. One that it has forgotten is registered again; one that it refuses is replaced, with another key. */
async function clientOf({ files, spec, traffic, log }: Pick<OrderCall, 'files' | 'spec' | 'traffic' | 'log'>): Promise<acme.Client> {
  const path = join(files.accounts, `${createHash('sha256').update(spec.directory).digest('hex').slice(0, 16)}.json`)
  const known = (await readJson<Account>(path).catch(() => undefined))?.key
  const attempts = known === undefined ? [] : [() => open(known, { onlyReturnExisting: true }), () => open(known, registration)]
  const registration = { termsOfServiceAgreed: true, ...(spec.contact === undefined ? {} : { contact: [`mailto:${spec.contact}`] }) }

  async function open(key: string, data: object): Promise<acme.Client> {
    const client = new acme.Client({ directoryUrl: spec.directory, accountKey: key, backoffAttempts: 20, backoffMin: 250, backoffMax: 3_000 })
    await client.createAccount(data)
    return client
  }

  for (const attempt of attempts) {
    try {
      return await attempt()
    } catch (error) {
      if (traffic.broken() !== undefined || traffic.problem()?.type === 'rateLimited') throw error
      log(`${spec.directory} does not take the account of this home: ${(error as Error).message}`)
    }
  }
  const key = (await acme.crypto.createPrivateEcdsaKey('P-256')).toString()
  // The first one is kept before it is used, so that an attempt that is killed leaves one account, not two.
  if (known === undefined) replaceJson(path, { key } satisfies Account, { durable: true })
  const client = await open(key, registration)
  if (known !== undefined) replaceJson(path, { key } satisfies Account, { durable: true })
  return client
}

interface Problem {
  readonly status: number
  readonly type: string | undefined
  readonly retryAfter: string | undefined
}

/** What goes over the wire. The library keeps the words of a refusal only, and loses a connection that cannot be made. */
interface Traffic {
  /** Of the last answer, if it was a refusal. */
  problem(): Problem | undefined
  /** Why nothing came of a request: the network, or a server in trouble. */
  broken(): string | undefined
}

function watchTraffic({ root }: AcmeSpec): Traffic {
  let problem: Problem | undefined
  let lost: Error | undefined
  const agent = new Agent({ keepAlive: true, ...(root === undefined ? {} : { ca: [...rootCertificates, readFileSync(root, 'utf8')] }) })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...args) => connect(...args)?.once('error', (error) => (lost = error))
  acme.axios.defaults.httpsAgent = agent
  acme.axios.interceptors.response.use((response) => {
    const { type } = (typeof response.data === 'object' && response.data !== null ? response.data : {}) as { type?: unknown }
    const retryAfter = response.headers['retry-after'] as string | undefined
    const name = typeof type === 'string' ? type.replace('urn:ietf:params:acme:error:', '') : undefined
    problem = response.status < 400 || name === 'badNonce' ? undefined : { status: response.status, type: name, retryAfter }
    lost = undefined
    return response
  })
  return {
    problem: () => problem,
    broken: () => (lost !== undefined ? lost.message || String((lost as NodeJS.ErrnoException).code) : problem !== undefined && problem.status >= 500 ? `It answered ${problem.status}.` : undefined),
  }
}

function explained(error: unknown, { domain, directory, asked, traffic }: { domain: string; directory: string; asked: readonly string[]; traffic: Traffic }): PilotError {
  if (error instanceof PilotError) return error
  const said = (error as Error).message.replaceAll(/\s+/g, ' ').slice(0, 600)
  const [problem, broken] = [traffic.problem(), traffic.broken()]
  if (broken !== undefined) return new PilotError('CERTIFICATE_FAILED', `${directory} cannot be reached, so there is no new certificate for ${domain}`, { reason: broken, suggestion: 'Check the address and the network of this machine; it is tried again by itself.' })
  if (problem?.type === 'rateLimited') {
    return new PilotError('CERTIFICATE_FAILED', `${directory} gives no more certificates for ${domain} for now`, { reason: said, suggestion: 'Wait: it is tried again by itself. For trials, `acme=letsencrypt-staging` has wider limits.', details: { rateLimited: true, ...(problem.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }) } })
  }
  if (asked.length > 0) {
    return new PilotError('CERTIFICATE_FAILED', `${directory} could not verify that ${domain} is served from here`, {
      reason: `It asked for ${asked.at(-1)!.replace(/[^/]*$/, '…')}, and: ${said}`,
      suggestion: `Let ${domain} point to this machine (A and AAAA records), with its port 80 forwarded to the edge; \`domains\` shows where it points now. Then \`domains renew ${domain}\`, or wait.`,
      details: { asked },
    })
  }
  return new PilotError('CERTIFICATE_FAILED', `${directory} refused a certificate for ${domain}`, { reason: problem?.type === undefined ? said : `${said} (${problem.type})`, suggestion: 'See what it says; `domains renew` tries again.' })
}
