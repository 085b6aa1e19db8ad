import { PilotError } from '@pilot/core/errors'
import { createDraft, type Imported, type ImportInput } from './draft.ts'
import { readHcl, type HclBlock, type HclBody } from './hcl.ts'
import { useOf } from './waypoint-use.ts'
import { waypointFileBlocks } from './waypoint-keys.ts'
import { environmentOf, listOf, textOf, variablesOf, type WaypointScope } from './waypoint-values.ts'

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

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
