import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** A name server that takes longer than this tells nothing. */
const patienceMs = 2_000

/** Where this machine finds a name, its file of hosts included. */
export async function pointsTo(domain: string): Promise<{ readonly pointsTo: string[]; readonly isHere: boolean }> {
  const found = await Promise.race([lookup(domain, { all: true }).catch(() => []), sleep(patienceMs, [], { ref: false })])
  const addresses = [...new Set(found.map(({ address }) => address))].sort()
  const own = new Set(Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address)))
  // Browsers take every name below .localhost for this machine, whatever the system says.
  return { pointsTo: addresses, isHere: domain.endsWith('.localhost') || addresses.some((address) => own.has(address) || (isIP(address) === 4 && address.startsWith('127.'))) }
}
