import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** A name that takes longer to resolve than this is as good as unknown. */
const patienceMs = 500

/**
 * The address to print: the named one where this machine resolves the name, else the one with a port. Browsers resolve
 * `*.localhost` by themselves, but many other programs ask the system, which on some machines knows only `localhost`.
 */
export async function reachableUrl({ url, fallbackUrl }: { url: string; fallbackUrl?: string | undefined }, resolves: (host: string) => Promise<boolean> = systemResolves): Promise<string> {
  if (fallbackUrl === undefined || !URL.canParse(url)) return url
  return (await resolves(new URL(url).hostname)) ? url : fallbackUrl
}

const asked = new Map<string, Promise<boolean>>()

function systemResolves(host: string): Promise<boolean> {
  // A machine knows all names below localhost or none.
  const kind = host.endsWith('.localhost') ? '.localhost' : host
  const known = asked.get(kind)
  if (known !== undefined) return known
  const asking = Promise.race([lookup(host).then(() => true, () => false), sleep(patienceMs, false, { ref: false })])
  asked.set(kind, asking)
  return asking
}
