import { listPlatforms, PilotError, type CertificateCapability } from '@pilot/core'
import { pointsTo } from '../../certificates/points-to.ts'
import type { Domain } from '../../contract/domains.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** Domains and their certificates. */
export function domainHandlers({ platforms, home }: Services) {
  const certificatesOf = async (platform: string, signal: AbortSignal): Promise<CertificateCapability | undefined> => (await platforms.reader(platform, signal)).context.provider.certificates

  async function named(platform: string | undefined): Promise<readonly string[]> {
    return platform === undefined ? (await listPlatforms(home.dir)).map(({ name }) => name) : [platform]
  }

  /** The authority belongs to the home, whichever of its platforms is asked. */
  async function withAuthority(platform: string | undefined, signal: AbortSignal): Promise<Required<Pick<CertificateCapability, 'authority' | 'noteTrust'>>> {
    for (const name of await named(platform)) {
      const certificates = await certificatesOf(name, signal)
      if (certificates?.authority && certificates.noteTrust) return { authority: certificates.authority, noteTrust: certificates.noteTrust }
    }
    throw new PilotError('NOT_FOUND', 'There is no certificate authority on this machine', { reason: platform === undefined ? 'There is no local platform.' : `The platform ${platform} has its certificates from elsewhere.`, suggestion: 'Make a local platform with `setup local`.' })
  }

  return {
    async domains({ query: { project, environment, app, platform }, signal }) {
      const all = await Promise.all(
        (await named(platform)).map(async (name) => {
          // One platform that cannot be read hides nothing of the others; named, it says why.
          const found = (await certificatesOf(name, signal).then((certificates) => certificates?.list()).catch((error: unknown) => {
            if (platform !== undefined) throw error
          })) ?? []
          const wanted = found.filter((each) => (project ?? each.app.project) === each.app.project && (environment ?? each.app.environment) === each.app.environment && (app ?? each.app.app) === each.app.app)
          return Promise.all(wanted.map(async (each): Promise<Domain> => ({ ...each, platform: name, ...(await pointsTo(each.domain)) })))
        }),
      )
      return { domains: all.flat() }
    },

    async renewCertificate({ params: { domain }, query: { platform }, signal }) {
      const lines: string[] = []
      const names = await named(platform)
      for (const name of names) {
        const certificates = await certificatesOf(name, signal)
        const listed = await certificates?.list()
        if (listed?.some((each) => each.domain === domain) !== true) continue
        await certificates!.renew({ domain, signal, log: (line) => lines.push(line) })
        const renewed = (await certificates!.list()).find((each) => each.domain === domain)!
        return { domain: { ...renewed, platform: name, ...(await pointsTo(domain)) }, log: lines }
      }
      throw new PilotError('NOT_FOUND', `No app here wants a certificate for ${domain}`, { suggestion: '`domains` lists those that are wanted; a domain of the manifest comes with the next `up`.' })
    },

    async certificateAuthority({ query: { platform }, signal }) {
      return (await withAuthority(platform, signal)).authority({ signal })
    },

    async noteTrust({ body: { trusted }, signal }) {
      await (await withAuthority(undefined, signal)).noteTrust(trusted)
      return { done: true as const }
    },
  } satisfies Partial<Handlers>
}
