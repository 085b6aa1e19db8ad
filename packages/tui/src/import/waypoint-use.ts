import { buildpacksOf, needsPack } from './buildpacks.ts'
import type { HclAttribute, HclBlock } from './hcl.ts'
import { looksSecret } from './looks-secret.ts'
import { dockerSize } from './units.ts'
import { waypointBlocks, waypointBuilders, waypointParameters } from './waypoint-keys.ts'
import { environmentOf, listOf, textOf, type WaypointScope } from './waypoint-values.ts'

interface Use {
  readonly app: string
  /** build, deploy or release. */
  readonly phase: string
  readonly plugin: string
  readonly block: HclBlock
}

/** `use "docker" { … }` of a phase. */
export function useOf(scope: WaypointScope, use: Use): void {
  const { draft } = scope
  const { phase, plugin, block } = use
  if (phase === 'build') return buildOf(scope, use)
  if (phase === 'deploy') draft.otherwise(`deploy.use ${plugin}`, `Where the app runs is said once per environment: \`platform:\` below \`environments:\`${/lambda|static|s3|cdn/.test(plugin) ? ', and `target:` how' : ''}.`, block.line)
  for (const [key, attribute] of block.body.attributes) parameterOf(scope, { ...use, key, attribute })
  for (const inner of block.body.blocks) {
    for (const [key, attribute] of inner.body.attributes) innerOf(scope, { ...use, what: `${inner.type}.${key}`, attribute })
    for (const deeper of inner.body.blocks) draft.leftOut(`${phase}.use ${plugin}.${inner.type}.${deeper.type}`, 'It belongs to the platform.', deeper.line)
  }
}

function buildOf(scope: WaypointScope, { app, plugin, block }: Use): void {
  const { draft } = scope
  const target = draft.app(app)
  const { attributes } = block.body
  const text = (name: string): string | undefined => {
    const attribute = attributes.get(name)
    return attribute && textOf(scope, attribute.value)
  }
  const handled = new Set<string>()
  if (plugin === 'docker') {
    for (const key of ['dockerfile', 'context', 'build_args']) handled.add(key)
    const args = argumentsOf(scope, attributes.get('build_args'))
    const file = text('dockerfile')?.replace(/^\.\//, '')
    const own = file === undefined || file === 'Dockerfile' ? undefined : file
    if (Object.keys(args).length > 0) target['build'] = { ...(own === undefined ? {} : { dockerfile: own }), args }
    else if (own !== undefined) target['build'] = own
    if (attributes.has('context')) draft.leftOut('build.use docker.context', 'The context is `source:`.', attributes.get('context')!.line)
  } else if (plugin === 'pack') {
    for (const key of ['static_environment', 'builder', 'buildpacks']) handled.add(key)
    const named = buildpacksOf(text('builder'), listOf(scope, attributes.get('buildpacks')?.value) ?? [])
    const args = argumentsOf(scope, attributes.get('static_environment'), 'pack.static_environment')
    target['build'] = Object.keys(args).length === 0 ? (named ?? 'buildpack') : { ...(named ?? { buildpack: true }), args }
    draft.otherwise('build.use pack', needsPack, block.line)
    for (const key of ['builder', 'buildpacks']) if (attributes.has(key) && named?.[key as 'builder'] === undefined) draft.leftOut(`build.use pack.${key}`, `It would have to be computed: write it below \`build:\` by hand, as \`${key}:\`.`, attributes.get(key)!.line)
    for (const [key, instead] of Object.entries({ run_image: 'Name a builder whose run image it is.', process_type: 'Write what starts the app as `command:`.', ignore: 'Write it to .pilotignore.' })) {
      if (!attributes.has(key)) continue
      handled.add(key)
      draft.leftOut(`build.use pack.${key}`, instead, attributes.get(key)!.line)
    }
  } else if (plugin === 'docker-pull') {
    handled.add('image').add('tag')
    const [image, tag] = [text('image'), text('tag')]
    if (image === undefined) draft.leftOut('build.use docker-pull', 'Write `image:` by hand.', block.line)
    else {
      delete target['source']
      target['image'] = tag === undefined ? image : `${image}:${tag}`
    }
  } else {
    draft.leftOut(`build.use ${plugin}`, waypointBuilders[plugin] ?? 'Pilot looks at the source: a Dockerfile, else package.json, Python, Go, a Procfile or a site.', block.line)
    return
  }
  for (const [key, { line }] of attributes) if (!handled.has(key) && waypointParameters[key] !== 'nothing') draft.leftOut(`build.use ${plugin}.${key}`, 'Builds have no such option here.', line)
  for (const { type, line } of block.body.blocks) draft.leftOut(`build.use ${plugin}.${type}`, type === 'auth' ? 'Log in to the registry on the machine (`docker login`).' : 'Builds have no such option here.', line)
}

function argumentsOf(scope: WaypointScope, attribute: HclAttribute | undefined, what = 'docker.build_args'): Record<string, string> {
  const kept: Record<string, string> = {}
  if (attribute?.value.kind !== 'map') return kept
  for (const { key, value, line } of attribute.value.entries) {
    const text = textOf(scope, value)
    if (text === undefined) scope.draft.leftOut(`build.use ${what}.${key}`, 'It would have to be computed: write it below `build:` by hand.', line)
    else if (looksSecret(key, text) !== undefined) scope.draft.leftOut(`build.use ${what}.${key}`, 'It looks like a secret, and build arguments stay readable in the image.', line)
    else kept[key] = text
  }
  return kept
}

function parameterOf(scope: WaypointScope, { app, phase, plugin, key, attribute }: Use & { readonly key: string; readonly attribute: HclAttribute }): void {
  const { draft } = scope
  const what = `${phase}.use ${plugin}.${key}`
  const meaning = waypointParameters[key]
  const text = textOf(scope, attribute.value)
  if (meaning === 'nothing') return
  if (meaning === 'env') return environmentOf(scope, { app, what, attribute })
  if (key === 'memory' || key === 'cpu') return draft.leftOut(what, `Write it as \`${key}:\` of the app; units differ from platform to platform.`, attribute.line)
  if (key === 'secrets') return secretsOf(scope, { app, what, attribute })
  const target = draft.app(app)
  const words = listOf(scope, attribute.value)
  if (meaning === undefined) draft.leftOut(what, 'It belongs to the platform.', attribute.line)
  else if (meaning === 'command' && words !== undefined) target['command'] = words
  else if (text === undefined) draft.leftOut(what, `It would have to be computed: write \`${meaning}:\` by hand.`, attribute.line)
  else if (meaning === 'port' || meaning === 'scale') target[meaning] = Number(text)
  else if (meaning === 'domain') target['domains'] = [text]
  else target[meaning] = text
}

/** Of `capacity { memory = 512 }` and its like. */
function innerOf(scope: WaypointScope, { app, phase, plugin, what, attribute }: Use & { readonly what: string; readonly attribute: HclAttribute }): void {
  const { draft } = scope
  const full = `${phase}.use ${plugin}.${what}`
  const meaning = waypointBlocks[what]
  const text = textOf(scope, attribute.value)
  const target = draft.app(app)
  if (meaning === undefined) return draft.leftOut(full, 'It belongs to the platform.', attribute.line)
  if (text === undefined) return draft.leftOut(full, `It would have to be computed: write \`${meaning}:\` by hand.`, attribute.line)
  if (meaning === 'memoryMi' && Number(text) > 0) target['memory'] = `${Number(text)}Mi`
  else if (meaning === 'memory' && dockerSize(text) !== undefined) target['memory'] = dockerSize(text)
  else if (meaning === 'cpu' && cores(text) !== undefined) target['cpu'] = cores(text)
  else if (meaning === 'health') target['health'] = text
  else if ((meaning === 'min' || meaning === 'max') && Number(text) >= 0) target['scale'] = { ...(typeof target['scale'] === 'object' ? target['scale'] : {}), [meaning]: Number(text) }
  else draft.leftOut(full, 'It is in a unit that Pilot does not know.', attribute.line)
}

/** ECS: variables by name, with the address of each secret. */
function secretsOf(scope: WaypointScope, { app, what, attribute }: { app: string; what: string; attribute: HclAttribute }): void {
  if (attribute.value.kind !== 'map') return scope.draft.leftOut(what, 'Write the names as `secrets:`.', attribute.line)
  for (const { key, line } of attribute.value.entries) {
    scope.draft.secret(app, key)
    scope.draft.otherwise(`${what}.${key}`, `Set it with \`secret set ${app} ${key}\`.`, line)
  }
}

/** `500m` and `2`, as Kubernetes writes them. */
function cores(text: string): number | undefined {
  const number = /^\d+m$/.test(text) ? Number(text.slice(0, -1)) / 1000 : Number(text)
  return number > 0 ? number : undefined
}
