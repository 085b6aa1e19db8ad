import { mkdir, open, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { PilotError } from '../errors/pilot-error.ts'
import { readSourceFacts } from '../source/facts.ts'
import type { SourceFacts } from '../provider/builder.ts'
import { detect, detectApps, type Detection } from './detect.ts'
import { pilotSchemaText } from './json-schema.ts'
import { manifestName } from './load-project.ts'
import { parsePackageJson } from './package-json.ts'
import { nameRule, type Manifest, type ManifestApp } from './schema.ts'
import { writeManifest } from './write-manifest.ts'

export interface Proposal {
  /** Where it would be written. */
  readonly file: string
  readonly text: string
  readonly manifest: Manifest
  /** What was found, by app. */
  readonly found: readonly { readonly app: string; readonly detection: Detection }[]
  /** What the user should know before agreeing, in plain words. */
  readonly notes: readonly string[]
}

export interface ProposeOptions {
  readonly dir: string
  /** `--name`: the project's name; default: the folder's. */
  readonly name?: string
  /** `--db`, `--no-db`; default: as detected. */
  readonly db?: boolean
}

/**
 * The manifest that fits a folder without one. Writes nothing. Throws NOTHING_DETECTED with what was looked for, USAGE for a
 * name that cannot be one, SOURCE_UNREADABLE.
 */
export async function proposeManifest({ dir, name, db }: ProposeOptions): Promise<Proposal> {
  const folder = resolve(dir)
  const facts = await readSourceFacts({ dir: folder })
  if (name !== undefined && !nameRule.test(name)) throw new PilotError('USAGE', `"${name}" cannot be the name of a project`, { suggestion: `Use a-z, 0-9 and -, at most 40 characters, such as --name ${nameFrom(name)}.` })
  return { file: join(folder, manifestName), ...propose({ facts, project: name ?? nameFrom(basename(folder)), ...(db === undefined ? {} : { db }) }) }
}

/** The same from facts alone: pure. */
export function propose({ facts, project, db }: { facts: SourceFacts; project: string; db?: boolean }): Omit<Proposal, 'file'> {
  const whole = detect(facts)
  const parts = whole && whole.builder !== 'static' ? [] : detectApps(facts)
  // index.html beside folders that are apps is more likely documentation than the project.
  const detections = parts.length > 0 ? parts : whole ? [whole] : []
  if (detections.length === 0) throw nothing(facts)

  const names = appNames(detections)
  const found = detections.map((detection, index) => ({ app: names[index] as string, detection }))
  const evident = found.filter(({ detection }) => detection.needsDatabase)
  // `--db` without evidence is meant for the app that there is; of several, for those that show it, else for all.
  const withDatabase = new Set((db === false ? [] : evident.length > 0 ? evident : db ? found : []).map(({ app }) => app))
  const notes = db === undefined ? evident.map(({ app, detection }) => `${app} gets a PostgreSQL database: ${detection.needsDatabase?.reason}.`) : []
  const apps = Object.fromEntries(found.map(({ app, detection }) => [app, appOf(detection, withDatabase.has(app))]))
  const manifest: Manifest = { project, apps }
  return { manifest, text: writeManifest(manifest), found, notes }
}

/** Writes a proposal, and the schema for editors beside it. Throws NAME_TAKEN when there is a manifest already. */
export async function writeProposal({ file, text }: Pick<Proposal, 'file' | 'text'>): Promise<void> {
  try {
    const handle = await open(file, 'wx')
    await handle.writeFile(text).finally(() => handle.close())
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new PilotError('NAME_TAKEN', `${file} is there already`, { suggestion: 'Edit it, or remove it first.' })
    throw new PilotError('SOURCE_UNREADABLE', `${file} cannot be written`, { reason: (error as Error).message, cause: error })
  }
  await writeEditorSchema(resolve(file, '..'))
}

/** `.pilot/schema.json`, which Git ignores by a file of its own. Only editors need it, so failing is no error. */
export async function writeEditorSchema(dir: string): Promise<void> {
  try {
    await mkdir(join(dir, '.pilot'), { recursive: true })
    await writeFile(join(dir, '.pilot', 'schema.json'), pilotSchemaText())
    await writeFile(join(dir, '.pilot', '.gitignore'), '*\n')
  } catch {
    // A read-only folder, for example.
  }
}

/** `My App_2` → `my-app-2`. */
export function nameFrom(text: string): string {
  const name = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').slice(0, 40).replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'app' : name
}

function appNames(detections: readonly Detection[]): string[] {
  if (detections.length === 1 && detections[0]?.folder === '') return ['web']
  const taken = new Set<string>()
  return detections.map(({ folder }) => {
    const short = nameFrom(basename(folder))
    const name = taken.has(short) ? nameFrom(folder) : short
    taken.add(name)
    return name
  })
}

function appOf(detection: Detection, database: boolean): ManifestApp {
  return {
    source: detection.folder === '' ? '.' : `./${detection.folder}`,
    ...(detection.static ? { static: detection.static } : {}),
    ...(database && !detection.static ? { database: 'postgres' as const } : {}),
  }
}

function nothing(facts: SourceFacts): PilotError {
  const { files } = facts
  const scripts = Object.keys(parsePackageJson(facts.text('package.json'))?.scripts ?? {})
  const reason = files.includes('package.json')
    ? `package.json has no start script${scripts.length > 0 ? ` (it has ${scripts.slice(0, 5).join(', ')})` : ''}, and there is no server.js or index.js.`
    : files.length === 0
      ? 'The folder holds no files.'
      : `There is no Dockerfile, package.json, Python project, go.mod, Procfile or index.html; there is ${files.slice(0, 5).join(', ')}${files.length > 5 ? ` and ${files.length - 5} more` : ''}.`
  return new PilotError('NOTHING_DETECTED', 'Pilot did not recognise how to run this folder', { reason })
}
