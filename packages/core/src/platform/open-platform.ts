import { join } from 'node:path'
import type { Emit } from '../events/event.ts'
import { PilotError } from '../errors/pilot-error.ts'
import type { LifecycleContext } from '../lifecycle/context.ts'
import type { AnyProvider } from '../provider/provider.ts'
import { createFileSecretStore } from '../secrets/file-secret-store.ts'
import { loadOrCreateKey } from '../secrets/key-file.ts'
import { createFileStore } from '../store/file-store.ts'
import { platformDir, type PlatformRecord } from './registry.ts'

export interface OpenPlatformOptions {
  /** The folder where this machine keeps everything (PILOT_HOME). */
  readonly home: string
  readonly platform: PlatformRecord
  /** What its package exports as default. */
  readonly provider: AnyProvider
}

/** A platform that is ready for operations: its store and secrets opened, its provider connected. */
export interface OpenPlatform extends AsyncDisposable {
  readonly platform: PlatformRecord
  /** The context of one operation. */
  context(operation: OperationOptions): LifecycleContext
  close(): Promise<void>
}

export interface OperationOptions {
  /** Who acts: stands in records. */
  readonly by: string
  /** `script`, or the id of the server that manages the home. */
  readonly managedBy: string
  readonly signal?: AbortSignal
  readonly emit?: Emit
  readonly log?: (line: string) => void
  readonly usualMs?: LifecycleContext['usualMs']
  readonly waitForLeaseMs?: number
  readonly resumesSince?: string
}

/** Server and scripts open a platform in the same way, on the same files of the home. */
export async function openPlatform({ home, platform, provider }: OpenPlatformOptions): Promise<OpenPlatform> {
  const parsed = provider.settings.safeParse(platform.settings)
  if (!parsed.success) throw new PilotError('HOME_UNUSABLE', `The settings of the platform ${platform.name} do not fit its provider ${provider.name}`, { reason: parsed.error.message })
  const dir = platformDir(home, platform.id)
  const store = createFileStore({ dir: join(dir, 'store') })
  const secrets = createFileSecretStore({ dir: join(dir, 'secrets'), key: await loadOrCreateKey(join(home, 'keys', 'secrets.key')) })
  const capabilities = await provider.connect({ platformId: platform.id, platformName: platform.name, settings: parsed.data, home, secrets })
  const close = (): Promise<void> => capabilities.close()
  return {
    platform,
    context: ({ emit = ignore, log = ignore, signal = new AbortController().signal, ...rest }) => ({
      platform: { id: platform.id, name: platform.name, provider: provider.name },
      provider: capabilities,
      store,
      secrets,
      workDir: join(dir, 'work'),
      emit,
      log,
      signal,
      ...rest,
    }),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function ignore(): void {}
