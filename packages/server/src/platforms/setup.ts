import { errorBody, forgetPlatform, newPlatformId, openPlatform, PilotError, planSetup, platformNamed, problemOf, registerPlatform, setup, type LifecycleContext, type OpenPlatform, type PlatformRecord } from '@pilot/core'
import type { PlatformPlan } from '../contract/platforms.ts'
import type { InstalledProvider, Providers } from '../providers/installed.ts'
import { ownerOf, type Platforms } from '../wiring.ts'
import { changeSettings, changeText, refuseWithApps, wantedSettings } from './settings.ts'

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
  const existing = await platformNamed(home, name)
  const { settings, changes } = wantedSettings({ provider, given: input.settings, existing })
  const operation = { by: serverId, ...ownerOf(serverId), signal }
  if (existing !== undefined) await refuseWithApps((await platforms.openRecord(existing)).context(operation), changes)
  const findings = await provider.check({ settings, home, signal })
  const problem = problemOf(findings)
  const record: PlatformRecord = existing ?? { id: newPlatformId(), name, provider: providerOf(installed), settings, createdAt: new Date().toISOString() }
  // Opened for this plan alone, since its settings may not be those of the platform yet.
  const platform = await openPlatform({ home, platform: { ...record, settings }, provider })
  try {
    const plan = await planSetup(platform.context(operation))
    return {
      platform: { ...(existing ? { id: existing.id } : {}), name, provider: provider.name, exists: existing !== undefined },
      settings,
      changedSettings: [...changes],
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
      ...(problem === undefined ? {} : { problem: errorBody(problem) }),
      hash: approvalOf(record.id, plan),
    }
  } finally {
    await platform.close()
    if (existing === undefined) await forgetPlatform(home, record.id)
  }
}

/** The two halves of the job `setup`: the platform is written down before anything is created for it. */
export const setUpPlatform = {
  /**
   * Stops on what the machine or account lacks, before anything is changed. `notices`: which settings were changed; that is
   * allowed while no app is deployed, and jobs of apps do not run beside this one.
   */
  async prepare({ home, providers, platforms, serverId, name, payload, signal }: { home: string; providers: Providers; platforms: Platforms; serverId: string; name: string; payload: SetupInput & { readonly plan?: string | undefined }; signal: AbortSignal }): Promise<{ readonly platform: OpenPlatform; readonly notices: readonly string[] }> {
    const { provider, installed } = await providers.load(payload.provider)
    const existing = await platformNamed(home, name)
    const { settings, changes } = wantedSettings({ provider, given: payload.settings, existing })
    const problem = problemOf(await provider.check({ settings, home, signal }))
    if (problem !== undefined) throw problem
    if (existing === undefined) {
      const id = (payload.plan === undefined ? undefined : approvedIn(payload.plan)?.platform) ?? newPlatformId()
      return { platform: await platforms.openRecord(await registerPlatform(home, { id, name, provider: providerOf(installed), settings })), notices: [] }
    }
    await refuseWithApps((await platforms.openRecord(existing)).context({ by: serverId, ...ownerOf(serverId), signal }), changes)
    const record = await changeSettings({ home, platform: existing, settings, changes })
    return { platform: await platforms.openRecord(record), notices: changes.map((change) => changeText(name, change)) }
  },

  /** With the hash of an approved plan, refuses to do anything else (PLAN_STALE); a later attempt does what is left of it. */
  async apply(context: LifecycleContext, { plan: approval }: { readonly plan?: string | undefined }): Promise<{ readonly changed: boolean; readonly platform: string }> {
    const approved = approval === undefined ? undefined : approvedIn(approval)
    if (approval !== undefined && approved?.platform !== context.platform.id) throw new PilotError('PLAN_STALE', `What was approved is not a plan of the platform ${context.platform.name}`)
    return { ...(await setup(context, approved === undefined ? {} : { approved })), platform: context.platform.name }
  },
}

const providerOf = ({ name, package: packageName, version }: InstalledProvider): PlatformRecord['provider'] => ({ name, package: packageName, version })

/**
 * What a person approves: core's hash of the plan, and the platform that it was made for. A platform that does not exist yet gets
 * its id with the plan, since inputs may hold it.
 */
const approvalOf = (platformId: string, { hash }: Plan): string => `${platformId}.${hash}`

function approvedIn(approval: string): { readonly platform: string; readonly hash: string } | undefined {
  const [, platform, hash] = /^([0-9a-f]{32})\.([0-9a-f]{64})$/.exec(approval) ?? []
  return platform === undefined || hash === undefined ? undefined : { platform, hash }
}
