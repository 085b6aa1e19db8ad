import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { AppIdentity, Compute, Ownership } from '@pilot/core'
import { appScope, volumeKeyPrefix } from '@pilot/core'
import type { Home } from '@pilot/host'
import { processVolumeKind, volumesFolder } from '../kinds/process-volume.ts'
import { ownerOfLabels } from '../ownership.ts'
import type { OfPlatform } from './container-status.ts'

/** Nobody waits longer for a size. */
const limitMs = 5_000

/** The engine measures all that it has for it; the newer ones volumes alone. */
export const containerVolumeSizes =
  ({ engine, platformId }: OfPlatform): NonNullable<Compute['volumeSizes']> =>
  async ({ app, signal }) => {
    const { docker } = await engine()
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
    // dockerode's own call cannot say that it is about volumes alone.
    const measured = new Promise<unknown>((resolve) => docker.modem.dial({ path: '/system/df?type=volume', method: 'GET', abortSignal, statusCodes: { 200: true } } as never, (error, data) => resolve(error ? {} : data)))
    const { Volumes } = (await measured) as { Volumes?: readonly { Labels?: Record<string, string>; UsageData?: { Size: number } }[] | null }
    const sizes = (Volumes ?? []).flatMap(({ Labels, UsageData }) => {
      const name = volumeOf(ownerOfLabels(Labels), { app, platformId })
      return name !== undefined && UsageData && UsageData.Size >= 0 ? [[name, UsageData.Size] as const] : []
    })
    return Object.fromEntries(sizes)
  }

export const processVolumeSizes =
  ({ home, platformId }: { home: Home; platformId: string }): NonNullable<Compute['volumeSizes']> =>
  async ({ app, signal }) => {
    const volumes = (await processVolumeKind(home).list({ platformId, signal })).flatMap(({ id, owner }) => {
      const name = volumeOf(owner, { app, platformId })
      return name === undefined ? [] : [{ name, folder: join(volumesFolder(home), basename(id)) }]
    })
    const sizes = await Promise.all(volumes.map(async ({ name, folder }) => [name, await sizeOf(folder, signal)] as const))
    return Object.fromEntries(sizes.filter((entry): entry is [string, number] => entry[1] !== undefined))
  }

/** As its owner too: root would follow whatever that one puts there. */
async function sizeOf(folder: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { uid, gid } = await stat(folder)
    const { stdout } = await promisify(execFile)('du', ['-sk', '--', folder], { signal, timeout: limitMs, ...(process.getuid?.() === 0 ? { uid, gid } : {}) })
    return Number.parseInt(stdout, 10) * 1024
  } catch {
    return undefined
  }
}

function volumeOf({ platformId: owner, scope, key }: Partial<Ownership>, { app, platformId }: { app: AppIdentity; platformId: string }): string | undefined {
  return owner === platformId && scope === appScope(app) && key?.startsWith(volumeKeyPrefix) ? key.slice(volumeKeyPrefix.length) : undefined
}
