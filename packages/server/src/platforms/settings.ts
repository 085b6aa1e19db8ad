import { appTitle, changePlatformSettings, deployedApps, PilotError, type AnyProvider, type LifecycleContext, type PlatformRecord } from '@pilot/core'

/** What was asked for, with every default filled in, and what of it differs from how the platform was set up. */
export interface WantedSettings {
  readonly settings: Readonly<Record<string, unknown>>
  readonly changes: readonly SettingChange[]
}

export interface SettingChange {
  readonly name: string
  readonly from: unknown
  readonly to: unknown
}

/** Throws USAGE, NAME_TAKEN, and NOT_ALLOWED_NOW for what is fixed once a platform is made: nothing changes on the quiet. */
export function wantedSettings({ provider, given, existing }: { provider: AnyProvider; given: Readonly<Record<string, unknown>>; existing: PlatformRecord | undefined }): WantedSettings {
  if (existing === undefined) return { settings: parse(provider, given), changes: [] }
  if (existing.provider.name !== provider.name) {
    throw new PilotError('NAME_TAKEN', `The platform ${existing.name} is on ${existing.provider.name}, not on ${provider.name}`, { suggestion: 'Choose another name with `--name`.' })
  }
  const recorded = parse(provider, existing.settings)
  const wanted = parse(provider, { ...existing.settings, ...given })
  const changes = Object.keys(given).flatMap((name) => (JSON.stringify(wanted[name]) === JSON.stringify(recorded[name]) ? [] : [{ name, from: recorded[name], to: wanted[name] }]))
  const fixed = changes.filter(({ name }) => !provider.changeable?.includes(name))
  if (fixed.length > 0) {
    throw new PilotError('NOT_ALLOWED_NOW', `The platform ${existing.name} was set up with ${recordedText(fixed)}`, {
      reason: `${namesOf(fixed)} cannot change later.`,
      suggestion: `Leave ${namesOf(fixed)} out, or set up another platform with \`--name\`.`,
    })
  }
  return { settings: wanted, changes }
}

/** Throws NOT_ALLOWED_NOW while an app is deployed, which was made for the settings as they are. */
export async function refuseWithApps(context: LifecycleContext, changes: readonly SettingChange[]): Promise<void> {
  if (changes.length === 0) return
  const apps = await deployedApps(context)
  if (apps.length === 0) return
  const projects = [...new Set(apps.map(({ project }) => project))]
  throw new PilotError('NOT_ALLOWED_NOW', `The platform ${context.platform.name} was set up with ${recordedText(changes)}, and ${apps.map(appTitle).join(', ')} ${apps.length === 1 ? 'is' : 'are'} deployed on it`, {
    reason: `${namesOf(changes)} can change only while no app is deployed.`,
    suggestion: `Remove what is deployed first (${projects.map((project) => `\`destroy --project ${project}\``).join(', ')}; databases are kept), or set up another platform with \`--name\`.`,
  })
}

export async function changeSettings({ home, platform, settings, changes }: { home: string; platform: PlatformRecord } & WantedSettings): Promise<PlatformRecord> {
  return changes.length === 0 ? platform : changePlatformSettings(home, platform, settings)
}

export const changeText = (platform: string, { name, from, to }: SettingChange): string => `The platform ${platform} has ${name} ${valueText(to)} now; it was ${valueText(from)}`

function parse(provider: AnyProvider, settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const parsed = provider.settings.safeParse(settings)
  if (parsed.success) return parsed.data as Record<string, unknown>
  throw new PilotError('USAGE', `The settings do not fit the provider ${provider.name}`, { reason: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'settings'}: ${message}`).join('; ') })
}

const namesOf = (changes: readonly SettingChange[]): string => changes.map(({ name }) => name).join(', ')
const recordedText = (changes: readonly SettingChange[]): string => changes.map(({ name, from }) => `${name} ${valueText(from)}`).join(', ')
const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
