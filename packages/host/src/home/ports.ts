import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { PilotError } from '@pilot/core/errors'
import { readJson, replaceJson } from './files.ts'
import type { Home } from './home.ts'
import { withFileLock } from './lock.ts'
import { claimPort, unclaimPort } from './port-notes.ts'

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
    await unclaimPort({ dir: home.dir, port })
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
    if (!taken.has(preferred) && (await isPortFree(preferred)) && (await claimPort({ dir: home.dir, port: preferred }))) return preferred
    if (strict) throw new PilotError('PORT_TAKEN', `Port ${preferred}, wanted for ${name}, is in use.`, { details: { port: preferred, name } })
  }
  for (const port of candidates(home, name)) {
    if (!taken.has(port) && !avoided.has(port) && (await isPortFree(port)) && (await claimPort({ dir: home.dir, port }))) return port
  }
  throw new PilotError('PORT_TAKEN', `No port between ${firstPort} and ${lastPort} is free for ${name}.`)
}

/** All ports of the range, beginning where home and name say, so that two homes rarely ask for the same one. */
function* candidates(home: Home, name: string): Generator<number> {
  const size = lastPort - firstPort + 1
  const start = createHash('sha256').update(`${home.id}/${name}`).digest().readUInt32BE() % size
  for (let i = 0; i < size; i++) yield firstPort + ((start + i) % size)
}
