import { BlockList, isIP } from 'node:net'

/** Whether an address is in one of the networks; without networks every address is. */
export function allowList(networks: readonly string[] | undefined): (address: string) => boolean {
  if (networks === undefined) return () => true
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
