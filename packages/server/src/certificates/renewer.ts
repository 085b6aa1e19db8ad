import { listPlatforms, toPilotError } from '@pilot/core'
import type { Log } from '../log.ts'
import type { Platforms } from '../wiring.ts'

export interface RenewerOptions {
  readonly home: { readonly dir: string }
  readonly platforms: Platforms
  readonly log: Log
  /** Between two looks; default a quarter of an hour. A look reads a few files. */
  readonly everyMs?: number
}

/** The first look: after what an `up` that started this server does. */
const firstMs = 30_000

/**
 * Has the certificates of every platform renewed in time. No operation and no lease: what changes is the content of a resource,
 * never what is wanted, and a renewal must not wait for a deployment, nor the other way round. What is due is found by the
 * clock of the wall at each look, so a machine that slept finds it a quarter of an hour after it woke at the latest.
 */
export function startRenewer({ home, platforms, log, everyMs = 15 * 60_000 }: RenewerOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let looking: Promise<void> | undefined

  const look = (): void => {
    looking ??= renewAll()
      .catch((error: unknown) => void (stopping.signal.aborted || log.warn('could not look after certificates', { reason: toPilotError(error).message })))
      .finally(() => (looking = undefined))
  }
  const first = setTimeout(look, Math.min(everyMs, firstMs)).unref()
  const timer = setInterval(look, everyMs).unref()

  async function renewAll(): Promise<void> {
    using _visit = platforms.visit()
    for (const { name } of await listPlatforms(home.dir)) {
      try {
        const { context } = await platforms.reader(name, stopping.signal)
        const renewed = await context.provider.certificates?.renew({ signal: stopping.signal, log: (text) => log.info(text, { platform: name }) })
        for (const { message, reason } of renewed?.failed ?? []) log.warn(message, { platform: name, ...(reason === undefined ? {} : { reason }) })
      } catch (error) {
        // One platform that is broken is no reason to forget the others.
        if (!stopping.signal.aborted) log.warn('could not look after the certificates of a platform', { platform: name, reason: toPilotError(error).message })
      }
    }
  }

  return {
    async stop() {
      clearTimeout(first)
      clearInterval(timer)
      stopping.abort()
      await looking
    },
  }
}
