import { listApps, listPlatforms, runningDeployments, toPilotError, type CertificateStatus, type DiskUse, type AppIdentity, type LifecycleContext } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { Look, Watch } from '../notify/watch.ts'
import type { Platforms } from '../wiring.ts'
import { sampleBetween, type Reading } from './sample.ts'
import { keepSample, resolutions, type AppOnPlatform } from './store.ts'

export interface SamplerOptions {
  readonly db: Database
  readonly home: { readonly dir: string }
  readonly platforms: Platforms
  readonly log: Log
  /** Default 15 s. */
  readonly everyMs?: number
  /** Is told what was seen. */
  readonly watch?: Watch
  /** How often disks and certificates are looked at; default one minute. */
  readonly disksEveryMs?: number
}

/** How long one look at one app may take. */
const lookMs = 5_000

/** Looks at every app that has traffic, and keeps what happened since the last look. The first look at an app only remembers. */
export function startSampler({ db, home, platforms, log, everyMs = resolutions[0].step * 1000, watch, disksEveryMs = 60_000 }: SamplerOptions): { stop(): Promise<void> } {
  const last = new Map<string, Reading>()
  const stopping = new AbortController()
  let looking: Promise<void> | undefined
  let silent = false
  let disksSeen = Number.NEGATIVE_INFINITY

  const timer = setInterval(() => {
    looking ??= look()
      .then(() => void (silent = false))
      .catch((error: unknown) => {
        // Once per cause: an engine that is stopped would fill the log.
        if (!silent && !stopping.signal.aborted) log.warn('could not sample metrics', { reason: toPilotError(error).message })
        silent = true
      })
      .finally(() => (looking = undefined))
  }, everyMs).unref()

  async function look(): Promise<void> {
    using _visit = platforms.visit()
    const seen = new Set<string>()
    const failures: unknown[] = []
    const looks: Look[] = []
    const disks: (DiskUse & { platform: string })[] = []
    const certificates: (CertificateStatus & { platform: string })[] = []
    const isTimeForDisks = watch !== undefined && performance.now() - disksSeen >= disksEveryMs
    if (isTimeForDisks) disksSeen = performance.now()
    let incomplete = false
    let certificatesUnknown = false
    let disksUnknown = false
    for (const { name } of await listPlatforms(home.dir)) {
      try {
        const { context } = await platforms.reader(name, stopping.signal)
        if (isTimeForDisks) disks.push(...((await context.provider.disks?.().catch(() => void (disksUnknown = true))) ?? []).map((disk) => ({ ...disk, platform: name })))
        if (isTimeForDisks) certificates.push(...((await context.provider.certificates?.list().catch(() => void (certificatesUnknown = true))) ?? []).map((certificate) => ({ ...certificate, platform: name })))
        for (const identity of await listApps(context)) {
          const app = { ...identity, platform: name }
          seen.add(keyOf(app))
          const reading = await readingOf(context, identity).catch((error: unknown) => {
            failures.push(error)
            return 'unknown' as const
          })
          looks.push(reading === 'unknown' ? { app, unknown: true } : { app, ...(reading === undefined ? {} : { reading }) })
          if (reading !== undefined && reading !== 'unknown') await keep(app, reading)
        }
      } catch (error) {
        failures.push(error)
        incomplete = true
      }
    }
    // What could not be listed is not gone.
    if (!incomplete) await watch?.apps(looks)
    if (isTimeForDisks) await watch?.disks(disks, { isAll: !incomplete && !disksUnknown })
    if (isTimeForDisks) await watch?.certificates(certificates, { isAll: !incomplete && !certificatesUnknown })
    for (const key of last.keys()) if (!seen.has(key)) last.delete(key)
    if (failures.length > 0) throw failures[0]
  }

  async function keep(app: AppOnPlatform, reading: Reading): Promise<void> {
    const before = last.get(keyOf(app))
    last.set(keyOf(app), reading)
    if (before !== undefined) await keepSample(db, app, { ...sampleBetween(before, reading), at: new Date(reading.atMs).toISOString() })
  }

  async function readingOf(context: LifecycleContext, app: AppIdentity): Promise<Reading | undefined> {
    const running = await runningDeployments(context, app)
    const compute = running === undefined ? undefined : context.provider.compute[running.target]
    if (running === undefined || compute === undefined) return undefined
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(lookMs)])
    const [instances, counters] = await Promise.all([compute.status({ app, signal }), compute.counters?.({ app, signal }) ?? []])
    return { atMs: Date.now(), instances, counters, ...(running.hasInstances ? { live: running.deployments } : {}) }
  }

  return {
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await looking
    },
  }
}

const keyOf = ({ platform, project, environment, app }: AppOnPlatform): string => [platform, project, environment, app].join('/')
