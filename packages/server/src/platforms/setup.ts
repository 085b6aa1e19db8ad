import { createHash, randomBytes } from 'node:crypto'
import { findPlatform, forgetPlatform, isPilotError, listPlatforms, PilotError, planSetup, registerPlatform, setup, type AnyProvider, type LifecycleContext, type OpenPlatform, type PlatformRecord } from '@pilot/core'
import type { PlatformPlan } from '../contract/platforms.ts'
import type { InstalledProvider, Providers } from '../providers/installed.ts'
import { ownerOf, type Platforms } from '../wiring.ts'

type Plan = Awaited<ReturnType<typeof planSetup>>

export interface SetupInput {
  readonly provider: string
  readonly name?: string | undefined
  readonly settings: Readonly<Record<string, unknown>>
}

/** What setup would do, and what the machine or account lacks for it. Leaves nothing behind. */
export async function planPlatform({ home, providers, platforms, serverId, input, signal }: { home: string; providers: Providers; platforms: Platforms; serverId: string; input: SetupInput; signal: AbortSignal }): Promise<PlatformPlan> {
  const name = input.name ?? input.provider
  const { provider, installed } = await providers.load(input.provider)
  const existing = (await listPlatforms(home)).find((platform) => platform.name === name)
  const settings = settingsOf(provider, input, existing)
  const findings = await provider.check({ settings, home, signal })
  const record: PlatformRecord = existing ?? { id: randomBytes(16).toString('hex'), name, provider: providerOf(installed), settings, createdAt: new Date().toISOString() }
  try {
    const platform = await platforms.openRecord(record)
    const plan = await planSetup(platform.context({ by: serverId, ...ownerOf(serverId), signal }))
    return {
      platform: { ...(existing ? { id: existing.id } : {}), name, provider: provider.name, exists: existing !== undefined },
      settings,
      changes: plan.steps.map(({ key, kind, action, reason, cost, exposure }) => ({
        key,
        kind,
        action,
        reason,
        ...('monthly' in cost ? { monthly: cost.monthly } : { unpriced: cost.unpriced }),
        ...(exposure.length > 0 ? { exposure: exposure.map((each) => ({ ...each })) } : {}),
      })),
      monthly: plan.steps.reduce((sum, { cost }) => sum + ('monthly' in cost ? cost.monthly : 0), 0),
      findings: [...findings],
      hash: approvalHash(plan),
    }
  } finally {
    if (existing === undefined) {
      await platforms.forget(record.id)
      await forgetPlatform(home, record.id)
    }
  }
}

/** The two halves of the job `setup`: the platform is written down before anything is created for it. */
export const setUpPlatform = {
  async prepare({ home, providers, platforms, name, payload }: { home: string; providers: Providers; platforms: Platforms; name: string; payload: SetupInput }): Promise<OpenPlatform> {
    const { provider, installed } = await providers.load(payload.provider)
    const existing = await findPlatform(home, name).catch((error: unknown) => {
      if (isPilotError(error) && error.code === 'NOT_FOUND') return undefined
      throw error
    })
    const settings = settingsOf(provider, payload, existing)
    return platforms.openRecord(existing ?? (await registerPlatform(home, { name, provider: providerOf(installed), settings })))
  },

  /** With the hash of an approved plan, refuses to do anything else (PLAN_STALE). */
  async apply(context: LifecycleContext, { plan: approved }: { readonly plan?: string | undefined }): Promise<{ readonly changed: boolean; readonly platform: string }> {
    const plan = approved === undefined ? undefined : await planSetup(context)
    if (plan !== undefined && approvalHash(plan) !== approved) {
      throw new PilotError('PLAN_STALE', `What setup of ${context.platform.name} would do is no longer what was approved`, { details: { steps: plan.steps.map(({ key, action }) => ({ key, action })) } })
    }
    return { ...(await setup(context, plan === undefined ? {} : { approved: plan })), platform: context.platform.name }
  },
}

/** With every default filled in. What a platform was set up with never changes on the quiet. */
function settingsOf(provider: AnyProvider, { settings, name }: SetupInput, existing: PlatformRecord | undefined): Record<string, unknown> {
  const parsed = provider.settings.safeParse(existing === undefined ? settings : existing.settings)
  if (!parsed.success) {
    throw new PilotError('USAGE', `The settings do not fit the provider ${provider.name}`, { reason: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'settings'}: ${message}`).join('; ') })
  }
  const recorded = parsed.data as Record<string, unknown>
  if (existing !== undefined && existing.provider.name !== provider.name) {
    throw new PilotError('NAME_TAKEN', `The platform ${existing.name} is on ${existing.provider.name}, not on ${provider.name}`, { suggestion: 'Choose another name with `--name`.' })
  }
  const different = existing === undefined ? [] : Object.keys(settings).filter((key) => JSON.stringify(settings[key]) !== JSON.stringify(recorded[key]))
  if (different.length > 0) {
    throw new PilotError('NOT_ALLOWED_NOW', `The platform ${existing!.name} was set up with ${different.map((key) => `${key}: ${JSON.stringify(recorded[key])}`).join(', ')}`, {
      suggestion: `Leave ${different.join(', ')} out, or set up another platform with \`--name\`${name === undefined ? '' : ` instead of ${name}`}.`,
    })
  }
  return recorded
}

const providerOf = ({ name, package: packageName, version }: InstalledProvider): PlatformRecord['provider'] => ({ name, package: packageName, version })

/** Over what a person approves: what happens to what, and its price. The platform's id is not yet known then, so it is left out. */
function approvalHash({ steps }: Plan): string {
  return createHash('sha256').update(JSON.stringify(steps.map(({ key, kind, action, cost }) => [key, kind, action, cost]))).digest('hex').slice(0, 32)
}
