import { appTitle, changePlatformSettings, deployedApps, PilotError, similar, type AnyProvider, type LifecycleContext, type PlatformRecord, type SettingProblem } from '@pilot/core'
import * as z from 'zod'

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
  const recorded = parse(provider, existing.settings, {})
  const wanted = parse(provider, { ...existing.settings, ...given }, given)
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

/** Only what is given now can be misspelt: what is recorded may be of an older version of the provider. */
function parse(provider: AnyProvider, settings: Readonly<Record<string, unknown>>, given = settings): Record<string, unknown> {
  const parsed = provider.settings.safeParse(settings)
  const problems: SettingProblem[] = [...unknownSettings(provider, given), ...(parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ path: path.map((part) => (typeof part === 'symbol' ? String(part) : part)), message: `${path.join('.') || 'settings'}: ${message}` })))]
  if (parsed.success && problems.length === 0) return parsed.data as Record<string, unknown>
  throw new PilotError('USAGE', `The settings do not fit the provider ${provider.name}`, { reason: problems.map(({ message }) => message).join('; '), details: { settings: problems } })
}

/** A misspelt setting would be ignored, and the platform another one than was meant. */
function unknownSettings(provider: AnyProvider, given: Readonly<Record<string, unknown>>): SettingProblem[] {
  const { properties, additionalProperties } = settingsSchema(provider) as { properties?: Record<string, unknown>; additionalProperties?: unknown }
  if (properties === undefined || (additionalProperties !== undefined && additionalProperties !== false)) return []
  const valid = Object.keys(properties)
  return Object.keys(given).flatMap((name) => {
    if (valid.includes(name)) return []
    const near = similar(name, valid)
    return [{ path: [name], message: `There is no setting ${name}${near === undefined ? valid.length === 0 ? '' : `; there is ${valid.join(', ')}` : `: did you mean ${near}?`}` }]
  })
}

/** JSON Schema of what a provider can be told: forms are rendered from it. */
export const settingsSchema = (provider: AnyProvider): Record<string, unknown> => z.toJSONSchema(provider.settings, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>

const namesOf = (changes: readonly SettingChange[]): string => changes.map(({ name }) => name).join(', ')
const recordedText = (changes: readonly SettingChange[]): string => changes.map(({ name, from }) => `${name} ${valueText(from)}`).join(', ')
const valueText = (value: unknown): string => (value === undefined ? 'not set' : typeof value === 'string' ? value : JSON.stringify(value))
