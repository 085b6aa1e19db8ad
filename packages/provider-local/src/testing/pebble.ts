import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Pebble, the ACME server that Let's Encrypt makes for tests, with its name server: built once with Go into a cache beside the
 * repository's business, and started for one test file each.
 */
const version = 'v2.8.0'
const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pilot-tests', `pebble-${version}`)
const programs = ['pebble', 'pebble-challtestsrv'] as const

/** Why there is none; undefined when it is there. */
export function withoutPebble(): string | undefined {
  if (programs.every((program) => existsSync(join(folder, program)))) return undefined
  try {
    mkdirSync(join(folder, '..'), { recursive: true })
    // Several test files may build it at once: each for itself, and the last one to be ready counts.
    const own = mkdtempSync(`${folder}-`)
    execFileSync('go', ['install', ...programs.map((program) => `github.com/letsencrypt/pebble/v2/cmd/${program}@${version}`)], { env: { ...process.env, GOBIN: own, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' }, stdio: 'pipe', timeout: 300_000 })
    mkdirSync(folder, { recursive: true })
    for (const program of programs) renameSync(join(own, program), join(folder, program))
    rmSync(own, { recursive: true })
    return undefined
  } catch (error) {
    return `this needs Pebble, which cannot be built here: ${(error as Error).message.split('\n')[0]}`
  }
}

export interface Pebble {
  readonly directory: string
  /** A file with the certificate that its own address is known by. */
  readonly root: string
  /** The chain's end: what certificates that it gives are known by. */
  issuerRoot(): Promise<string>
  /** Lets a domain point to an address; all others point to this machine. */
  point(domain: string, address: string): Promise<void>
  /** Forgets accounts, orders and all. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface PebbleOptions {
  /** Where it asks for challenges. */
  readonly httpPort: number
  /** Percent of good nonces that it refuses. */
  readonly nonceReject?: number
  /** Of certificates, seconds. */
  readonly validSeconds?: number
  readonly blocked?: readonly string[]
  /** Percent of authorizations that stay valid for the next order. */
  readonly authzReuse?: number
}

export async function startPebble({ httpPort, nonceReject = 0, validSeconds, blocked = [], authzReuse = 0 }: PebbleOptions): Promise<Pebble> {
  const dir = mkdtempSync(join(tmpdir(), 'pilot-pebble-'))
  const [port, management, dns, control] = await freePorts(4)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=pebble', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '2')
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: join(dir, 'cert.pem'),
    privateKey: join(dir, 'key.pem'),
    httpPort,
    tlsPort: 1,
    domainBlocklist: blocked,
    retryAfter: { authz: 1, order: 1 },
    ...(validSeconds === undefined ? {} : { profiles: { default: { description: 'short', validityPeriod: validSeconds } } }),
  }
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ pebble: config }))
  const root = join(dir, 'cert.pem')
  const ask = (url: string): Promise<string> => textOf(url, readFileSync(root, 'utf8'))
  const directory = `https://localhost:${port}/dir`
  const names = start('pebble-challtestsrv', ['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${control}`, '-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''])
  const startServer = async (): Promise<Started> => {
    const started = start('pebble', ['-config', join(dir, 'config.json'), '-strict', '-dnsserver', `127.0.0.1:${dns}`], { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: String(nonceReject), PEBBLE_AUTHZREUSE: String(authzReuse) })
    await answering(() => ask(directory), started)
    return started
  }
  await answering(() => fetch(`http://127.0.0.1:${control}/`), names)
  let server = await startServer()
  return {
    directory,
    root,
    issuerRoot: () => ask(`https://localhost:${management}/roots/0`),
    async point(domain, address) {
      for (const [path, addresses] of [['clear-a', []], ['add-a', [address]]] as const) await fetch(`http://127.0.0.1:${control}/${path}`, { method: 'POST', body: JSON.stringify({ host: `${domain}.`, addresses }) })
    },
    async restart() {
      await server.end()
      server = await startServer()
    },
    async stop() {
      await Promise.all([server.end(), names.end()])
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function textOf(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).once('end', () => resolve(text))
    }).once('error', reject)
  })
}

interface Started {
  readonly child: ChildProcess
  readonly log: string[]
  end(): Promise<void>
}

function start(program: (typeof programs)[number], args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(join(folder, program), args, { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => void (log.push(chunk) > 200 && log.shift()))
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()))
  return {
    child,
    log,
    async end() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function answering(ask: () => Promise<unknown>, { child, log }: Started): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    if (await ask().then(() => true, () => false)) return
    if (child.exitCode !== null || attempt > 400) throw new Error(`Pebble does not answer: ${log.join('')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve) => { const server = createServer().listen(0, '127.0.0.1', () => resolve(server)) })))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
