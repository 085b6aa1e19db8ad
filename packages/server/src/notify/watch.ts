import { appTitle, type AppIdentity, type CertificateStatus, type DiskUse } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { Reading } from '../metrics/sample.ts'
import type { AppOnPlatform } from '../metrics/store.ts'
import { openIncidents, settleIncident } from './notices.ts'

/** One look at one app. Without a reading it does not run; `unknown`: its provider could not be asked. */
export interface Look {
  readonly app: AppOnPlatform
  readonly reading?: Reading
  readonly unknown?: true
}

export interface Watch {
  apps(looks: readonly Look[]): Promise<void>
  /** `isAll`: a domain that is not among them is wanted no more. */
  certificates(found: readonly (CertificateStatus & { readonly platform: string })[], options?: { readonly isAll: boolean }): Promise<void>
  /** `isAll`: one that is not among them belongs to a platform that is gone. */
  disks(disks: readonly (DiskUse & { readonly platform: string })[], options?: { readonly isAll: boolean }): Promise<void>
}

/** What was seen of an app so far. */
export interface Watched {
  /** Since when it has been as `isBad` says; milliseconds. */
  readonly since: number
  /** Until nothing bad was seen for as long as the patience lasts: what ends every 20 seconds is well at some looks. */
  readonly isBad: boolean
  /** When something bad was seen last. */
  readonly badAt?: number
  readonly restarts: ReadonlyMap<string, number>
}

/** Tells of apps that stay unhealthy for `patienceMs` (default one minute) while nobody works on them, and that they have recovered; and of disks. */
export function createWatch({ db, patienceMs = 60_000 }: { readonly db: Database; readonly patienceMs?: number }): Watch {
  const watched = new Map<string, Watched>()

  async function apps(looks: readonly Look[]): Promise<void> {
    const busy = new Set((await db.selectFrom('jobs').select(['platform', 'project', 'environment', 'app']).where('state', '=', 'running').where('app', 'is not', null).execute()).map((job) => keyOf(job as AppOnPlatform)))
    const known = await openIncidents(db)
    const seen = new Set(looks.map(({ app }) => keyOf(app)))
    for (const key of [...watched.keys()]) if (!seen.has(key)) watched.delete(key)
    // Of an app that is gone or was stopped there is nothing to tell any more.
    for (const key of known) if (key.startsWith('app/') && !seen.has(key)) await settleIncident(db, { key, isOn: false, began: never })
    for (const { app, reading, unknown } of looks) {
      const key = keyOf(app)
      if (unknown) continue
      if (reading === undefined) {
        watched.delete(key)
        if (known.has(key)) await settleIncident(db, { key, isOn: false, began: never })
        continue
      }
      const now = judge(watched.get(key), reading, patienceMs)
      watched.set(key, busy.has(key) ? { ...now, since: reading.atMs } : now)
      const isLong = !busy.has(key) && reading.atMs - now.since >= patienceMs
      // Told when it is seen to be bad after all that time, not while it recovers.
      const isSeen = !now.isBad || now.badAt === reading.atMs
      if (!isLong || !isSeen || now.isBad === known.has(key)) continue
      const about = { platform: app.platform, project: app.project, environment: app.environment, apps: [app.app] }
      await settleIncident(db, {
        key,
        isOn: now.isBad,
        began: () => ({ event: 'app.unhealthy', ...about, title: `${appTitle(app)} is unhealthy`, text: problemsOf(reading).join('; ') || 'Its instances end again and again.', error: { code: 'UNHEALTHY', message: `${appTitle(app)} is unhealthy`, suggestion: '`pilot logs` shows why; `pilot rollback` goes back.' } }),
        ended: (since) => ({ event: 'app.recovered', ...about, title: `${appTitle(app)} is healthy again`, text: `It was unhealthy since ${since}.` }),
      })
    }
  }

  async function disks(found: readonly (DiskUse & { readonly platform: string })[], { isAll } = { isAll: false }): Promise<void> {
    const known = await openIncidents(db)
    const seen = new Set(found.map(diskKey))
    for (const key of isAll ? known : []) if (key.startsWith('disk/') && !seen.has(key)) await settleIncident(db, { key, isOn: false, began: never })
    for (const disk of found) {
      const key = diskKey(disk)
      await settleIncident(db, {
        key,
        isOn: isFull(disk, known.has(key)),
        began: () => ({ event: 'disk.full', platform: disk.platform, title: `The disk of ${disk.title} is nearly full: ${gigabytes(disk.freeBytes)} of ${gigabytes(disk.totalBytes)} are free`, text: `It holds ${disk.path}. Builds, deployments and databases fail when nothing is left.` }),
        ended: () => ({ event: 'disk.recovered', platform: disk.platform, title: `The disk of ${disk.title} has room again: ${gigabytes(disk.freeBytes)} are free` }),
      })
    }
  }

  async function certificates(found: readonly (CertificateStatus & { readonly platform: string })[], { isAll } = { isAll: false }): Promise<void> {
    const wanted = new Set(found.map(({ platform, domain }) => certificateKey(platform, domain)))
    for (const key of isAll ? await openIncidents(db) : []) if (key.startsWith('certificate/') && !wanted.has(key)) await settleIncident(db, { key, isOn: false, began: never })
    for (const certificate of found) {
      const { platform, domain, app, notAfter, error } = certificate
      const about = { platform, project: app.project, environment: app.environment, apps: [app.app] }
      await settleIncident(db, {
        key: certificateKey(platform, domain),
        isOn: isInDanger(certificate, Date.now()),
        began: () => ({
          event: 'certificate.expiring',
          ...about,
          title: notAfter === undefined ? `There is no certificate for ${domain}` : `The certificate of ${domain} ${Date.parse(notAfter) < Date.now() ? 'has expired' : 'expires'} at ${notAfter}`,
          ...(error === undefined ? {} : { text: error.message, error: { code: error.code, message: error.message, suggestion: error.suggestion, ...(error.reason === undefined ? {} : { reason: error.reason }) } }),
        }),
        ended: () => ({ event: 'certificate.renewed', ...about, title: `The certificate of ${domain} is valid again${notAfter === undefined ? '' : `, until ${notAfter}`}` }),
      })
    }
  }

  return { apps, certificates, disks }
}

/** What an app is after another look. */
function judge(before: Watched | undefined, reading: Reading, patienceMs: number): Watched {
  const restarts = new Map(reading.instances.map(({ instance, restarts = 0 }) => [instance, restarts]))
  const endsAgain = [...restarts].some(([instance, count]) => count > (before?.restarts.get(instance) ?? count))
  const { atMs } = reading
  if (endsAgain || problemsOf(reading).length > 0) return { isBad: true, restarts, since: before?.isBad ? before.since : atMs, badAt: atMs }
  if (before?.badAt === undefined) return { isBad: false, restarts, since: before?.since ?? atMs }
  return atMs - before.badAt < patienceMs ? { ...before, restarts } : { isBad: false, restarts, since: before.badAt }
}

/** Of the deployments that have traffic. */
function problemsOf({ instances, live }: Reading): readonly string[] {
  const own = live === undefined ? instances : instances.filter(({ deployment }) => live.includes(deployment))
  if (own.length === 0) return live === undefined || live.length === 0 ? [] : ['none of its instances is there']
  return own
    .filter(({ state }) => state !== 'running')
    .map(({ instance, process, state, exitCode }) => `${process === undefined ? '' : `${process}: `}${instance} ${state === 'exited' || state === 'stopped' ? `has ended${exitCode === undefined ? '' : ` with exit code ${exitCode}`}` : `is ${state}`}`)
}

/** Expired, not to be had, or not renewed when half of the time for it has gone. */
export function isInDanger({ state, notAfter, renewAt, error }: Pick<CertificateStatus, 'state' | 'notAfter' | 'renewAt' | 'error'>, now: number): boolean {
  if (state === 'expired' || (state === 'missing' && error !== undefined)) return true
  if (notAfter === undefined) return false
  const end = Date.parse(notAfter)
  const begin = renewAt === undefined ? end - 28 * 24 * 3600_000 : Date.parse(renewAt)
  return now > (begin + end) / 2
}

/** Nine tenths of a large disk leave enough; and what is full has to get some room until it counts as recovered. */
export function isFull({ freeBytes, totalBytes }: Pick<DiskUse, 'freeBytes' | 'totalBytes'>, wasFull: boolean): boolean {
  const margin = wasFull ? 1.25 : 1
  return freeBytes < 2 * 1024 ** 3 * margin || (freeBytes < 0.1 * margin * totalBytes && freeBytes < 50 * 1024 ** 3 * margin)
}

const keyOf = ({ platform, project, environment, app }: AppIdentity & { readonly platform: string }): string => ['app', platform, project, environment, app].join('/')
const diskKey = ({ platform, path }: Pick<DiskUse, 'path'> & { readonly platform: string }): string => `disk/${platform}/${path}`
const certificateKey = (platform: string, domain: string): string => `certificate/${platform}/${domain}`
const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GB`
const never = (): never => {
  throw new Error('It does not begin here')
}
