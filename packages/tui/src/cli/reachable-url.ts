import { lookup } from 'node:dns/promises'

/**
 * The address to print: the named one where this machine resolves the name, else the one with a port. Browsers resolve
 * `*.localhost` by themselves, but many other programs ask the system, which on some machines knows only `localhost`.
 */
export async function reachableUrl({ url, fallbackUrl }: { url: string; fallbackUrl?: string | undefined }, resolves: (host: string) => Promise<boolean> = systemResolves): Promise<string> {
  if (fallbackUrl === undefined) return url
  return (await resolves(new URL(url).hostname)) ? url : fallbackUrl
}

async function systemResolves(host: string): Promise<boolean> {
  try {
    await lookup(host)
    return true
  } catch {
    return false
  }
}
