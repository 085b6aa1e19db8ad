import { PilotError } from '@pilot/core/errors'
import { createDraft, type Draft, type Imported, type ImportInput } from './draft.ts'
import { readHcl, type HclAttribute, type HclBlock, type HclBody, type HclValue } from './hcl.ts'
import { useOf } from './waypoint-use.ts'
import { waypointFileBlocks } from './waypoint-keys.ts'

/** What is known of variables: their defaults. */
export interface WaypointScope {
  readonly draft: Draft
  readonly variables: ReadonlyMap<string, { readonly value: string | undefined; readonly isSensitive: boolean }>
}

/** A waypoint.hcl. Throws USAGE for what is no HCL, or has no app. */
export async function importWaypoint({ text, file, project }: ImportInput): Promise<Imported> {
  const root = await readHcl({ text, file })
  const apps = root.blocks.filter(({ type }) => type === 'app')
  if (apps.length === 0) throw new PilotError('USAGE', `${file} has no app.`, { suggestion: 'Check that it is a waypoint.hcl; nothing was written.' })
  const written = root.attributes.get('project')
  const draft = createDraft(written?.value.kind === 'literal' ? String(written.value.value) : project)
  const scope: WaypointScope = { draft, variables: variablesOf(root) }

  const shared = root.blocks.filter(({ type }) => type === 'config')
  for (const app of apps) appOf(scope, app, shared)
  for (const { type, labels, line } of root.blocks) {
    const instead = waypointFileBlocks[type]
    if (instead !== undefined) draft.leftOut([type, ...labels].join(' '), instead, line)
    else if (!['app', 'config', 'variable'].includes(type)) draft.leftOut([type, ...labels].join(' '), 'Pilot does not know it.', line)
  }
  return draft.finish()
}

function appOf(scope: WaypointScope, { labels, body, line }: HclBlock, shared: readonly HclBlock[]): void {
  const { draft } = scope
  const name = draft.name(labels[0] ?? 'web', line)
  const app = draft.app(name)
  const path = body.attributes.get('path')
  const source = path === undefined ? '.' : textOf(scope, path.value)
  if (source === undefined) draft.leftOut('path', 'It would have to be computed: write `source:` by hand.', path!.line)
  app['source'] = source === undefined || source === '.' ? '.' : source.replace(/^(?![./])/, './').replace(/\/$/, '')

  for (const config of [...shared, ...body.blocks.filter(({ type }) => type === 'config')]) configOf(scope, name, config)
  for (const phase of body.blocks.filter(({ type }) => type !== 'config')) {
    if (['build', 'deploy', 'release'].includes(phase.type)) phaseOf(scope, name, phase)
    else if (phase.type === 'url') draft.otherwise('url', 'Pilot prints the address of the app at each `up`.', phase.line)
    else draft.leftOut(`app.${name}.${phase.type}`, 'Pilot has no word for it.', phase.line)
  }
  for (const [key, { line }] of body.attributes) if (key !== 'path') draft.leftOut(`app.${name}.${key}`, key === 'labels' ? 'Apps have no labels.' : 'Pilot has no word for it.', line)
}

/** Later ones win, so that the app's own stands over the project's. */
function configOf(scope: WaypointScope, app: string, { body }: HclBlock): void {
  const { draft } = scope
  const env = body.attributes.get('env')
  if (env) environmentOf(scope, { app, what: 'config.env', attribute: env })
  for (const key of ['internal', 'file'].filter((key) => body.attributes.has(key))) {
    draft.leftOut(`config.${key}`, key === 'file' ? 'Put the file into the image, or its content into a variable.' : 'Values that only the file itself uses are written out.', body.attributes.get(key)!.line)
  }
  for (const { type, labels, line } of body.blocks) draft.leftOut(`config.${[type, ...labels].join(' ')}`, type === 'workspace' ? 'Write what differs below `environments:` of the app.' : 'Pilot has no word for it.', line)
}

/** A map of variables, from `config.env` or `static_environment`. */
export function environmentOf(scope: WaypointScope, { app, what, attribute }: { app: string; what: string; attribute: HclAttribute }): void {
  const { draft } = scope
  if (attribute.value.kind !== 'map') return draft.leftOut(what, 'It would have to be computed: write `env:` by hand.', attribute.line)
  for (const { key, value, line } of attribute.value.entries) {
    const text = textOf(scope, value)
    if (text !== undefined) {
      draft.variable(app, { name: key, value: text, what: `${what}.${key}`, line })
      continue
    }
    draft.secret(app, key)
    const why = value.kind === 'call' ? `It comes from ${value.name}(…)` : isSensitive(scope, value) ? 'It comes from a sensitive variable' : 'It would have to be computed'
    draft.leftOut(`${what}.${key}`, `${why}: its name stands in \`secrets:\`. Set it with \`secret set ${app} ${key}\`; when it is no secret, take it out there and use \`env set ${app} ${key}=…\`.`, line)
  }
}

function phaseOf(scope: WaypointScope, app: string, phase: HclBlock): void {
  for (const block of phase.body.blocks) {
    const { type, labels, body, line } = block
    if (type === 'use') useOf(scope, { app, phase: phase.type, plugin: labels[0] ?? '', block })
    else if (type === 'hook') hookOf(scope, { app, phase: phase.type, body, line })
    else if (type === 'registry') scope.draft.otherwise('build.registry', 'Pilot keeps the images itself.', line)
    else scope.draft.leftOut(`${phase.type}.${[type, ...labels].join(' ')}`, type === 'workspace' || type === 'label' ? 'Write what differs below `environments:` of the app.' : 'Pilot has no word for it.', line)
  }
  for (const [key, { line }] of phase.body.attributes) scope.draft.leftOut(`${phase.type}.${key}`, 'Pilot has no word for it.', line)
}

function hookOf(scope: WaypointScope, { app, phase, body, line }: { app: string; phase: string; body: HclBody; line: number }): void {
  const { draft } = scope
  const when = body.attributes.get('when')
  const command = listOf(scope, body.attributes.get('command')?.value)
  const moment = when && textOf(scope, when.value)
  if (command === undefined || (moment !== 'before' && moment !== 'after')) return draft.leftOut(`${phase}.hook`, 'It would have to be computed: write `hooks:` by hand.', line)
  const key = `${moment}-${phase}`
  const hooks = (draft.app(app)['hooks'] ?? {}) as Record<string, string>
  hooks[key] = [...(hooks[key] === undefined ? [] : [hooks[key]]), command.map(quoted).join(' ')].join(' && ')
  draft.app(app)['hooks'] = hooks
  if (body.attributes.has('on_failure')) draft.leftOut(`${phase}.hook.on_failure`, 'A hook that fails stops what it stands before; write `|| true` behind it to go on.', line)
}

/** The text of a value, with defaults of variables put in; undefined where it would have to be computed. */
export function textOf(scope: WaypointScope, value: HclValue): string | undefined {
  if (value.kind === 'literal') return value.value === null ? undefined : String(value.value)
  if (value.kind === 'template') {
    const parts = value.parts.map((part) => textOf(scope, part))
    return parts.includes(undefined) ? undefined : parts.join('')
  }
  const name = variableIn(value)
  const variable = name === undefined ? undefined : scope.variables.get(name)
  return variable?.isSensitive ? undefined : variable?.value
}

export function listOf(scope: WaypointScope, value: HclValue | undefined): readonly string[] | undefined {
  if (value?.kind !== 'list') return undefined
  const items = value.items.map((item) => textOf(scope, item))
  return items.includes(undefined) ? undefined : (items as string[])
}

const variableIn = (value: HclValue): string | undefined => (value.kind === 'expression' ? /^var\.([\w-]+)$/.exec(value.text)?.[1] : undefined)

const isSensitive = (scope: WaypointScope, value: HclValue): boolean =>
  value.kind === 'template' ? value.parts.some((part) => isSensitive(scope, part)) : scope.variables.get(variableIn(value) ?? '')?.isSensitive === true

function variablesOf(root: HclBody): WaypointScope['variables'] {
  return new Map(
    root.blocks
      .filter(({ type }) => type === 'variable')
      .map(({ labels, body }) => {
        const value = body.attributes.get('default')?.value
        const sensitive = body.attributes.get('sensitive')?.value
        return [labels[0] ?? '', { value: value?.kind === 'literal' && value.value !== null ? String(value.value) : undefined, isSensitive: sensitive?.kind === 'literal' && sensitive.value === true }]
      }),
  )
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
