import { environmentSettings, imageSource, packSource, PilotError, resolveApps, unappliedKeys, type AppDefinition, type LocalSource, type Project } from '@pilot/core'
import type { AppWithSource } from '@pilot/server/contract'
import type { CommandContext } from './context.ts'
import { cleanLine } from './text/clean.ts'
import { bytes } from './text/units.ts'

export interface PreparedApp {
  readonly definition: AppDefinition
  readonly source: LocalSource
}

/** The platform that the manifest names for an environment. */
export const platformOf = (project: Project, environment: string): string | undefined => environmentSettings(project, environment).platform

/** The apps of a manifest for one environment, in its order, with what the platform does not apply named once. */
export function defineApps(context: CommandContext, { project, environment, only, trust }: { project: Project; environment: string; only: readonly string[] | undefined; trust: boolean }): AppDefinition[] {
  const chosen = only === undefined ? {} : { only }
  const definitions = resolveApps({ project, environment, trust, ...chosen })
  const ignored = unappliedKeys({ project, environment, ...chosen })
  for (const [app, keys] of Map.groupBy(ignored, (key) => key.app)) {
    context.say(`${context.output.err.warn(context.output.err.symbol.warn)} ${app}: not applied by this version: ${keys.map(({ key, line }) => `${key} (line ${line})`).join(', ')}`)
  }
  return definitions
}

/** Reads the source of each app for its digest. Nothing is written or sent. */
export async function packApps(context: CommandContext, project: Project, definitions: readonly AppDefinition[]): Promise<PreparedApp[]> {
  const packed = new Map<string, Promise<LocalSource>>()
  return await Promise.all(
    definitions.map(async (definition) => {
      const { app } = definition.app
      const from = project.apps.find(({ name }) => name === app)?.source
      if (from?.type === 'image') return { definition, source: await imageSource(from.image) }
      if (from?.type !== 'directory') throw new PilotError('SOURCE_UNREADABLE', `The source of ${app} is a Git repository, which this version cannot build from.`, { suggestion: `Clone it and write \`source: ./FOLDER\` in ${project.file}.` })
      const { build } = definition
      const key = JSON.stringify([from.dir, build])
      const packing = packed.get(key) ?? packSource({ dir: from.dir, build })
      packed.set(key, packing)
      const source = await packing
      for (const notice of source.notices) context.say(`${context.output.err.dim(context.output.err.symbol.info)} ${app}: ${cleanLine(notice)}`)
      return { definition, source }
    }),
  )
}

/** Sent without a question, bytes: asking takes as long. */
const smallSource = 256 * 1024

/** Sends the sources that the server does not have yet. */
export async function sendSources(context: CommandContext, apps: readonly PreparedApp[]): Promise<AppWithSource[]> {
  const client = await context.client()
  for (const [digest, [first]] of Map.groupBy(apps, ({ source }) => source.digest)) {
    if (first!.source.bytes > smallSource && (await client.hasSource(digest))) continue
    if (first!.source.bytes > 10 * 1024 ** 2) context.say(`Sending the source of ${first!.definition.app.app}, ${bytes(first!.source.bytes)}`)
    await client.putSource(digest, first!.source.openTarGz(), { signal: context.signal })
  }
  return apps.map(({ definition, source }) => ({ definition: plain(definition), source: source.record }))
}

/** What is sent is JSON: without readonly. */
const plain = (definition: AppDefinition): AppWithSource['definition'] => definition as AppWithSource['definition']
