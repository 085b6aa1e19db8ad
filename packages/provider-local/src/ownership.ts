import { createHash } from 'node:crypto'
import { PilotError, type AppIdentity, type Ownership } from '@pilot/core'

/**
 * How this provider marks what belongs to a platform: the one file that knows.
 *
 * - Containers and networks carry labels, set in the call that creates them. Images carry a name (`imageRepository`): a label would
 *   cost the engine's own builder one more step of every build.
 * - Files of the host (routes, links, services) carry the same marks as an `owner` field.
 * - Databases, database users and system users have names that end in a hash of the platform and the app, and a comment.
 */
export const labels = {
  platform: 'pilot.platform',
  scope: 'pilot.scope',
  key: 'pilot.key',
  generation: 'pilot.generation',
  deployment: 'pilot.deployment',
  /** Of a worker: the name of its process. */
  process: 'pilot.process',
  /** Of a one-off command: the process that looks after it, as JSON. */
  oneOff: 'pilot.one-off',
  project: 'pilot.project',
  app: 'pilot.app',
  environment: 'pilot.environment',
} as const

export function ownerLabels({ platformId, scope, key, generation }: Ownership): Record<string, string> {
  return { [labels.platform]: platformId, [labels.scope]: scope, [labels.key]: key, [labels.generation]: String(generation) }
}

export function ownerOfLabels(found: Readonly<Record<string, string>> | undefined): Partial<Ownership> {
  const { [labels.platform]: platformId, [labels.scope]: scope, [labels.key]: key, [labels.generation]: generation } = found ?? {}
  return {
    ...(platformId === undefined ? {} : { platformId }),
    ...(scope === undefined ? {} : { scope }),
    ...(key === undefined ? {} : { key }),
    ...(generation === undefined ? {} : { generation: Number(generation) }),
  }
}

/** The filter that Docker's list calls take. */
export const platformFilter = (platformId: string): { label: string[] } => ({ label: [`${labels.platform}=${platformId}`] })

/** The same marks as one line of text, for database comments and the comment field of system users. */
export const ownerText = ({ platformId, scope, key, generation }: Ownership): string => `pilot ${platformId} ${scope} ${key} ${generation}`

export function ownerOfText(text: string | null | undefined): Partial<Ownership> {
  const [pilot, platformId, scope, key, generation] = (text ?? '').split(' ')
  if (pilot !== 'pilot' || !platformId) return {}
  return { platformId, ...(scope ? { scope } : {}), ...(key ? { key } : {}), ...(generation ? { generation: Number(generation) } : {}) }
}

/** Adopt only what carries our platform, scope and key; the generation may be an older one of ours. */
export function assertOurs({ found, owner, title }: { found: Partial<Ownership>; owner: Ownership; title: string }): void {
  if (found.platformId === owner.platformId && found.scope === owner.scope && found.key === owner.key) return
  const holder = found.platformId === undefined ? 'It carries no mark of Pilot.' : `It belongs to ${found.key ?? 'something'} of ${found.scope ?? 'another scope'}${found.platformId === owner.platformId ? '' : ' of another platform'}.`
  throw new PilotError('NAME_TAKEN', `${title} exists already`, { reason: holder })
}

/** Names that must be known before the thing exists, from the platform and the app alone. */
export const routeId = (platformId: string, app: AppIdentity): string => derivedName({ platformId, app, separator: '-', limit: 60 })
/** The route of an app's queue, by which others send. */
export const queueRouteId = (platformId: string, app: AppIdentity): string => `${routeId(platformId, app)}.queue`

/** Of the certificate that an app wants for a domain. */
export const certificateId = ({ platformId, app, domain }: { platformId: string; app: AppIdentity; domain: string }): string => `${hash(domain).slice(0, 12)}-${routeId(platformId, app)}`

/** At most 63 bytes, PostgreSQL's limit; it needs no quotes. */
export const databaseName = (platformId: string, app: AppIdentity): string => derivedName({ platformId, app, separator: '_', limit: 63 })

/** Unlike any database's name, and at most 63 bytes too. */
export const databaseUserName = (platformId: string, app: AppIdentity): string => `${derivedName({ platformId, app, separator: '_', limit: 58 })}_user`

/** Ends what every database name of a platform ends with, so that two platforms on one cluster are told apart by name. */
const platformTag = (platformId: string): string => platformId.slice(0, 8)

export const imageRepository = (platformId: string, { project, app }: AppIdentity): string => `pilot-${platformTag(platformId)}/${project}/${app}`

/** System user names end at 32 characters; the hash at the end of `name` keeps them apart. */
export const userName = (name: string): string => (name.length <= 32 ? name : `${name.slice(0, 19).replace(/-+$/, '')}-${hash(name).slice(0, 12)}`)

function derivedName({ platformId, app: { project, app, environment }, separator, limit }: { platformId: string; app: AppIdentity; separator: string; limit: number }): string {
  const tail = `${separator}${hash(`${project}/${app}/${environment}`).slice(0, 6)}${separator}${platformTag(platformId)}`
  const words = [project, app, ...(environment === 'production' ? [] : [environment])].join(separator).replaceAll(/[^a-z0-9]+/g, separator)
  const start = /^[a-z]/.test(words) ? words : `p${separator}${words}`
  return `${start.slice(0, limit - tail.length)}${tail}`
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
