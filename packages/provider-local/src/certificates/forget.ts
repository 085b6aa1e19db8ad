import { rm } from 'node:fs/promises'
import { releaseSecurePort, removeCertificate, type Home } from '@pilot/host'
import { readClaims } from './certificates-of.ts'
import { certificateFiles } from './files.ts'

/** Removes what was made for a domain once no app wants it, and with the last one the port for HTTPS. Returns whether it did. */
export async function forgetUnwanted(home: Home, domain: string): Promise<boolean> {
  const claims = await readClaims(home, { all: true })
  if (claims.some((claim) => claim.domain === domain)) return false
  const files = certificateFiles(home.dir)
  await removeCertificate(home, domain)
  for (const file of [files.state(domain), files.pending(domain)]) await rm(file, { force: true })
  if (claims.length === 0) await releaseSecurePort(home)
  return true
}
