import { createInterface } from 'node:readline'
import { openHome, putChallenge, removeChallenge, challengeUrl } from '@pilot/host'
import { errorBody, toPilotError } from '@pilot/core'
import { certificateFiles, makeFolders, type IssuerSpec } from './files.ts'
import type { Challenges, Issuer, IssuerAnswer } from './issuer.ts'

/**
 * A program of its own, so that what X.509 and ACME need is loaded for as long as a certificate takes, and the server stays small.
 * One line on standard input says what for; it ends with its standard input, so never after who asked.
 */
export interface IssuerTask {
  readonly home: string
  readonly issuer: IssuerSpec
  /** Absent: only make sure that the local authority is there. */
  readonly domain?: string
}

const answer = (line: IssuerAnswer): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

let begun = false
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (begun) return
    begun = true
    issue(JSON.parse(line) as IssuerTask)
      .catch((error: unknown) => answer({ error: errorBody(toPilotError(error)) }))
      .finally(() => process.stdout.write('', () => process.exit(0)))
  })
  .once('close', () => process.exit(1))

async function issue({ home: dir, issuer: spec, domain }: IssuerTask): Promise<void> {
  const home = await openHome(dir)
  const files = certificateFiles(home.dir)
  makeFolders(files)
  const log = (line: string): void => answer({ log: line })
  if (domain === undefined) {
    await (await import('./authority.ts')).ensureAuthority(files)
    return answer({ issued: { key: '', chain: '' } })
  }
  const challenges: Challenges = { put: (challenge) => putChallenge(home.paths, challenge), remove: (challenge) => removeChallenge(home.paths, challenge), url: challengeUrl }
  const issuer: Issuer = spec.type === 'local' ? (await import('./authority.ts')).localIssuer(files) : (await import('./acme.ts')).acmeIssuer(files, spec, challenges)
  answer({ issued: await issuer.issue({ domain, log }) })
}
