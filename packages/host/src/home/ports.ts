import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { hasErrno, readJson, replaceFile, replaceJson } from './files.ts'
import type { Home } from './home.ts'
import { withFileLock } from './lock.ts'

/** Below the range that Linux and macOS give to outgoing connections, above what programs usually listen on. */
const firstPort = 10_000
const lastPort = 31_999

/** Ports that developers expect to be free for themselves. */
const avoided = new Set([3000, 5000, 7000, 8080, 11_434, 27_017])

type Ports = Readonly<Record<string, number>>

/**
 * Gives out a port of 127.0.0.1 for good: the same name always gets the same port in this home, also after a restart and
 * while its owner does not listen. Throws PORT_TAKEN when `preferred` is not free and `strict` forbids another one.
 */
export async function reservePort(home: Home, name: string, { preferred, strict = false }: { preferred?: number; strict?: boolean } = {}): Promise<number> {
  return await withFileLock(`${home.paths.portsFile}.lock`, async () => {
    const ports = await reservedPorts(home)
    const reserved = ports[name]
    if (reserved !== undefined) return reserved
    const port = await findPort(home, { name, preferred, strict, taken: new Set(Object.values(ports)) })
    replaceJson(home.paths.portsFile, { ...ports, [name]: port }, { durable: true })
    return port
  })
}

/** Forgets the name; absent is success. */
export async function releasePort(home: Home, name: string): Promise<void> {
  await withFileLock(`${home.paths.portsFile}.lock`, async () => {
    const { [name]: port, ...rest } = await reservedPorts(home)
    if (port === undefined) return
    replaceJson(home.paths.portsFile, rest, { durable: true })
    await unclaim(home, port)
  })
}

export async function reservedPorts(home: Home): Promise<Ports> {
  return (await readJson<Ports>(home.paths.portsFile)) ?? {}
}

/** Whether a listener could be opened there now. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

async function findPort(home: Home, { name, preferred, strict, taken }: { name: string; preferred: number | undefined; strict: boolean; taken: ReadonlySet<number> }): Promise<number> {
  if (preferred !== undefined) {
    if (!taken.has(preferred) && (await isPortFree(preferred)) && (await claim(home, preferred))) return preferred
    if (strict) throw new PilotError('PORT_TAKEN', `Port ${preferred}, wanted for ${name}, is in use.`, { details: { port: preferred, name } })
  }
  for (const port of candidates(home, name)) {
    if (!taken.has(port) && !avoided.has(port) && (await isPortFree(port)) && (await claim(home, port))) return port
  }
  throw new PilotError('PORT_TAKEN', `No port between ${firstPort} and ${lastPort} is free for ${name}.`)
}

/** All ports of the range, beginning where home and name say, so that two homes rarely ask for the same one. */
function* candidates(home: Home, name: string): Generator<number> {
  const size = lastPort - firstPort + 1
  const start = createHash('sha256').update(`${home.id}/${name}`).digest().readUInt32BE() % size
  for (let i = 0; i < size; i++) yield firstPort + ((start + i) % size)
}

/**
 * A port that another home of this user has reserved may be unbound at the moment. So each reservation leaves a note beside
 * the homes; one whose home does not know the port any more counts for nothing. Other users' homes are met by binding only.
 */
async function claim(home: Home, port: number): Promise<boolean> {
  const path = await claimPath(port)
  if (path === undefined) return true
  try {
    await writeFile(path, home.dir, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) return true
  }
  const owner = await readFile(path, 'utf8').catch(() => '')
  if (owner !== home.dir && owner !== '') {
    const theirs = await readJson<Ports>(join(owner, 'ports.json')).catch(() => undefined)
    if (Object.values(theirs ?? {}).includes(port)) return false
  }
  try {
    replaceFile(path, home.dir)
  } catch {
    // Notes are a help against collisions, no more.
  }
  return true
}

async function unclaim(home: Home, port: number): Promise<void> {
  const path = await claimPath(port)
  if (path !== undefined && (await readFile(path, 'utf8').catch(() => '')) === home.dir) await rm(path, { force: true })
}

/** Undefined where the folder is not ours alone: everybody may write beside it, so anybody may have made it. */
async function claimPath(port: number): Promise<string | undefined> {
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `pilot-ports-${uid}`)
  await mkdir(folder, { mode: 0o700 }).catch(() => {})
  const found = await lstat(folder).catch(() => undefined)
  const isOurs = found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0
  return isOurs ? join(folder, String(port)) : undefined
}
