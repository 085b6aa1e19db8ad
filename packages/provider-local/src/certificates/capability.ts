import { existsSync, readFileSync, rmSync } from 'node:fs'
import { PilotError, toPilotError, type CertificateCapability } from '@pilot/core'
import { replaceJson, type Home } from '@pilot/host'
import { certificatesOf, readClaims } from './certificates-of.ts'
import { ensureCertificate } from './ensure.ts'
import { factsOf } from './facts.ts'
import { certificateFiles, makeFolders } from './files.ts'
import { forgetUnwanted } from './forget.ts'
import { runIssuer } from './run-issuer.ts'

export function certificateCapability({ home, platformId }: { home: Home; platformId: string }): CertificateCapability {
  const files = certificateFiles(home.dir)
  return {
    list: () => certificatesOf(home, platformId),

    async renew({ domain, signal, log }) {
      const claims = (await readClaims(home)).filter((claim) => claim.owner.platformId === platformId && (domain === undefined || claim.domain === domain))
      if (domain !== undefined && claims.length === 0) throw new PilotError('NOT_FOUND', `No app here wants a certificate for ${domain}`, { suggestion: '`domains` lists those that are wanted.' })
      const failed: PilotError[] = []
      for (const claim of new Map(claims.map((each) => [each.domain, each])).values()) {
        // No lease is held: what was wanted at the beginning may be given up meanwhile, also while its certificate is made.
        if (await forgetUnwanted(home, claim.domain)) continue
        await ensureCertificate({ home, domain: claim.domain, issuer: claim.issuer, force: domain !== undefined, signal, log }).catch((error: unknown) => failed.push(toPilotError(error)))
        await forgetUnwanted(home, claim.domain)
        signal.throwIfAborted()
      }
      if (domain !== undefined && failed[0] !== undefined) throw failed[0]
      return { failed }
    },

    async authority({ signal }) {
      if (!existsSync(files.authority)) await runIssuer({ home: home.dir, issuer: { type: 'local' } }, { signal, log: () => {} })
      const { issuedBy, sha256, notAfter } = factsOf(readFileSync(files.authority, 'utf8'))
      return { path: files.authority, name: issuedBy, sha256, notAfter, trusted: existsSync(files.trusted) }
    },

    async noteTrust(trusted) {
      makeFolders(files)
      if (trusted) replaceJson(files.trusted, { at: new Date().toISOString() })
      else rmSync(files.trusted, { force: true })
    },
  }
}
