import { linkVariable, volumeVariable } from '../lifecycle/scope.ts'
import type { Problem } from './problem.ts'
import type { Manifest, ManifestApp, ManifestOverride } from './schema.ts'
import { isTimeZone, scheduleProblem } from '../schedule/cron-expression.ts'
import { describe, similar, show } from './schema-problems.ts'
import { parseDuration, parseSize } from './units.ts'
import type { Path, YamlDocument } from './yaml-document.ts'

const minMemory = 16 * 1024 ** 2
/** As on AWS Lambda. */
const longestFunctionMs = 15 * 60_000
const longestDrainMs = 3_600_000

/** What a schema cannot see: names that point at other apps and environments, and keys that contradict each other. */
export function referenceProblems(manifest: Manifest, document: YamlDocument): Problem[] {
  const problems: Problem[] = []
  const add = (path: Path, message: string, part: 'key' | 'value' = 'value'): void => {
    problems.push({ path, ...document.locate(path, part), message })
  }
  const apps = Object.keys(manifest.apps)
  const environments = manifest.environments && [...new Set(['production', ...Object.keys(manifest.environments)])]

  for (const [name, app] of Object.entries(manifest.apps)) {
    checkApp({ name, app, path: ['apps', name], apps, add })
    if (app.source !== undefined && app.image !== undefined) add(['apps', name, 'image'], `${show(['apps', name])} has both \`source\` and \`image\`: write one of them`, 'key')
    for (const [environment, override] of Object.entries(app.environments ?? {})) {
      const path = ['apps', name, 'environments', environment]
      if (environments && !environments.includes(environment)) add(path, notThere({ what: 'environment', name: environment, at: path, valid: environments }), 'key')
      checkApp({ name, app: override, base: app, path, apps, add })
    }
  }
  const routes = new Map<string, string>()
  for (const [name, { route }] of Object.entries(manifest.apps)) {
    if (route === undefined) continue
    const path = route.replace(/\/+$/, '') || '/'
    const other = routes.get(path)
    if (other !== undefined) add(['apps', name, 'route'], `${show(['apps', name, 'route'])} is ${JSON.stringify(route)}, which ${show(['apps', other])} answers already`)
    routes.set(path, name)
  }
  problems.push(...databaseCycles(manifest, document))
  return problems
}

interface AppCheck {
  readonly name: string
  readonly app: ManifestApp | ManifestOverride
  /** The app that an environment's keys are merged over. */
  readonly base?: ManifestApp
  readonly path: Path
  readonly apps: readonly string[]
  add(path: Path, message: string, part?: 'key' | 'value'): void
}

function checkApp({ name, app, base, path, apps, add }: AppCheck): void {
  app.uses?.forEach((other, index) => {
    const at = [...path, 'uses', index]
    if (other === name) add(at, `${show(at)} is the app itself`)
    else if (!apps.includes(other)) add(at, notThere({ what: 'app', name: other, at, valid: apps.filter((one) => one !== name) }))
    else if (app.uses?.indexOf(other) !== index) add(at, `${show(at)} stands twice: "${other}"`)
  })
  if (typeof app.database === 'object' && app.database.backup !== undefined) {
    const { backup } = app.database
    const at = [...path, 'database', 'backup']
    if (app.database.from !== undefined) add(at, `${show(at)} belongs to ${show(['apps', app.database.from])}, whose database it is: write it there`, 'key')
    else if (typeof backup === 'string') checkSchedule({ schedule: backup, timeZone: undefined, path: at, key: [], add })
    else checkSchedule({ ...backup, timeZone: backup.timeZone, path: at, add })
  }
  if (typeof app.database === 'object' && app.database.from !== undefined) {
    const at = [...path, 'database', 'from']
    if (app.database.from === name) add(at, `${show(at)} is the app itself: write \`database: postgres\``)
    else if (!apps.includes(app.database.from)) add(at, notThere({ what: 'app', name: app.database.from, at, valid: apps.filter((one) => one !== name) }))
  }
  if (app.memory !== undefined && parseSize(app.memory) < minMemory) {
    const number = /^\d+$/.test(String(app.memory))
    add([...path, 'memory'], `${show([...path, 'memory'])} is ${JSON.stringify(app.memory)}${number ? ' bytes' : ''}: write at least 16Mi${number ? `, such as ${app.memory}Mi` : ''}`)
  }
  const merged = { ...base, ...app }
  if (app.processes && Object.hasOwn(app.processes, 'web')) add([...path, 'processes', 'web'], `${show([...path, 'processes', 'web'])} is the app itself: write it as \`command\``, 'key')
  for (const [job, { run }] of Object.entries(app.cron ?? {})) {
    if (run === undefined && merged.function === undefined) add([...path, 'cron', job], `${show([...path, 'cron', job])} has no command: write \`run\`; only a function is called without one`, 'key')
  }
  for (const [job, { schedule, timeZone }] of Object.entries(app.cron ?? {})) checkSchedule({ schedule, timeZone, path: [...path, 'cron', job], add })
  for (const key of ['processes', 'release', 'cron', 'volumes'] as const) {
    if (app[key] !== undefined && merged.static !== undefined) add([...path, key], `${show([...path, key])} is of no use to a site, of which nothing runs: remove it or \`static\``, 'key')
  }
  checkFunction({ app, merged, path, add })
  if (app.drain !== undefined && !(parseDuration(app.drain) >= 1 && parseDuration(app.drain) <= longestDrainMs)) add([...path, 'drain'], `${show([...path, 'drain'])} is ${app.drain}: write at most 1h`)
  if ('image' in merged && merged.image !== undefined) {
    for (const key of ['build', 'static', 'function'] as const) if (app[key] !== undefined) add([...path, key], `${show([...path, key])} is for a source, and ${show(['apps', name])} is a finished image: remove one of them`, 'key')
    if (app.target !== undefined && app.target !== 'container') add([...path, 'target'], `${show([...path, 'target'])} is "${app.target}": an image runs as a container`)
  }
  const isBuiltByBuildpacks = merged.build === 'buildpack' || (typeof merged.build === 'object' && (merged.build.buildpack || merged.build.builder || merged.build.buildpacks))
  if (isBuiltByBuildpacks && app.target !== undefined && app.target !== 'container') add([...path, 'target'], `${show([...path, 'target'])} is "${app.target}": what buildpacks build runs as a container`)
  if (typeof merged.scale === 'object' && merged.scale.max !== undefined && merged.scale.max < (merged.scale.min ?? 1) && app.scale !== undefined) {
    add([...path, 'scale', 'max'], `${show([...path, 'scale', 'max'])} is ${merged.scale.max}, less than min (${merged.scale.min ?? 1})`)
  }
  checkVolumes({ app, merged: { ...merged, volumes: { ...base?.volumes, ...app.volumes } }, path, add })
  const ofPilot = platformVariables(merged)
  for (const [variable, owner] of ofPilot) {
    if (app.env && Object.hasOwn(app.env, variable)) add([...path, 'env', variable], `${show([...path, 'env', variable])} is set by Pilot because of \`${owner}\`: remove one of them`, 'key')
    const secret = app.secrets?.indexOf(variable) ?? -1
    if (secret >= 0) add([...path, 'secrets', secret], `${show([...path, 'secrets', secret])} is ${variable}, which Pilot sets because of \`${owner}\`: remove one of them`)
  }
  app.secrets?.forEach((secret, index) => {
    const at = [...path, 'secrets', index]
    if (app.secrets?.indexOf(secret) !== index) add(at, `${show(at)} stands twice: ${secret}`)
    else if (ofPilot.some(([variable]) => variable === secret)) return
    else if ((app.env && Object.hasOwn(app.env, secret)) || (base?.env && Object.hasOwn(base.env, secret))) add(at, `${show(at)} is ${secret}, which also stands in \`env\`: a value that stands here is no secret`)
  })
}

/** What is no schedule must not be found out at night. */
function checkSchedule({ schedule, timeZone, path, key = ['schedule'], add }: { readonly schedule: string; readonly timeZone: string | undefined; readonly path: Path; readonly key?: Path; readonly add: AppCheck['add'] }): void {
  const problem = scheduleProblem(schedule)
  if (problem !== undefined) add([...path, ...key], `${show([...path, ...key])} is ${describe(schedule)}: ${problem}; write five cron fields such as "0 6 * * *", or @daily`)
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const near = similar(timeZone, Intl.supportedValuesOf('timeZone'))
    add([...path, 'timeZone'], `${show([...path, 'timeZone'])} is ${describe(timeZone)}, which is no time zone: ${near ? `did you mean ${near}?` : 'write one such as Europe/Berlin'}`)
  }
}

function checkVolumes({ app, merged, path, add }: Pick<AppCheck, 'app' | 'path' | 'add'> & { readonly merged: ManifestApp | ManifestOverride }): void {
  const volumes = Object.entries(merged.volumes ?? {}).map(([name, use]) => ({ name, ...(typeof use === 'string' ? { path: use, shared: false } : use) }))
  for (const { name, path: one } of volumes) {
    const other = volumes.find((each) => each.name !== name && each.path !== undefined && one !== undefined && `${one}/`.startsWith(`${each.path}/`))
    const at = [...path, 'volumes', name]
    if (other && app.volumes && Object.hasOwn(app.volumes, name)) add(at, `${show(at)} is ${JSON.stringify(one)}, which lies in the volume ${other.name}: write another path`)
  }
  const alone = volumes.find(({ shared }) => !shared)
  const count = typeof merged.scale === 'number' ? merged.scale : merged.scale?.min
  if (alone === undefined || count === undefined || count <= 1 || (app.scale === undefined && app.volumes === undefined)) return
  const at = [...path, app.scale === undefined ? 'volumes' : 'scale']
  add(at, `${show(at)}: ${count} instances would write to the volume ${alone.name} at once: write 1, or \`shared: true\` at the volume if they may`)
}

/** A function is called, so that what is for a program that listens says nothing about it. */
function checkFunction({ app, merged, path, add }: Pick<AppCheck, 'app' | 'path' | 'add'> & { readonly merged: ManifestApp | ManifestOverride }): void {
  const { function: called, target, scale } = merged
  if (called === undefined) {
    if (app.target === 'function') add([...path, 'target'], `${show([...path, 'target'])} is "function", which needs its handler: write \`function: src/index.handler\``)
    return
  }
  for (const key of ['build', 'command', 'health', 'port', 'processes', 'static', 'volumes'] as const) {
    if (app[key] !== undefined) add([...path, key], `${show([...path, key])} is of no use to a function, which is called and keeps nothing: remove it or \`function\``, 'key')
  }
  if (app.target !== undefined && target !== 'function') add([...path, 'target'], `${show([...path, 'target'])} is "${target}", and \`function\` says that it is a function: remove one of them`)
  if (app.scale !== undefined && typeof scale === 'object' && scale.min !== undefined) add([...path, 'scale', 'min'], `${show([...path, 'scale', 'min'])} is of no use to a function, which runs when it is called: write how many events it handles at once as \`max\``, 'key')
  if (app.scale !== undefined && scale === 0) add([...path, 'scale'], `${show([...path, 'scale'])} is 0: a function handles at least one event at once`)
  const timeout = typeof app.function === 'object' ? app.function.timeout : undefined
  if (timeout !== undefined && !(parseDuration(timeout) >= 1 && parseDuration(timeout) <= longestFunctionMs)) add([...path, 'function', 'timeout'], `${show([...path, 'function', 'timeout'])} is ${timeout}: write at most 15m`)
}

/** Variables that Pilot sets, and the key that makes it so. */
function platformVariables(app: ManifestApp | ManifestOverride): [variable: string, owner: string][] {
  return [
    ['PORT', 'port'],
    ...(app.database === undefined ? [] : [['DATABASE_URL', 'database'] as [string, string]]),
    ...(app.uses ?? []).map((other): [string, string] => [linkVariable(other), `uses: [${other}]`]),
    ...Object.keys(app.volumes ?? {}).map((volume): [string, string] => [volumeVariable(volume), `volumes: { ${volume} }`]),
  ]
}

function databaseCycles(manifest: Manifest, document: YamlDocument): Problem[] {
  const problems: Problem[] = []
  const from = (name: string): string | undefined => {
    const database = Object.hasOwn(manifest.apps, name) ? manifest.apps[name]?.database : undefined
    return typeof database === 'object' ? database.from : undefined
  }
  for (const [name, app] of Object.entries(manifest.apps)) {
    if (typeof app.database !== 'object' || app.database.from === undefined) continue
    const path = ['apps', name, 'database', 'from']
    const owner = app.database.from
    if (owner === name || !Object.hasOwn(manifest.apps, owner)) continue
    const chain = [name, owner]
    for (let next = from(owner); next !== undefined && !chain.includes(next); next = from(next)) chain.push(next)
    const last = from(chain.at(-1) as string)
    if (last === name) problems.push({ path, ...document.locate(path), message: `${show(path)} goes round in a circle: ${[...chain, name].join(' → ')}` })
    else if (last === undefined && manifest.apps[chain.at(-1) as string]?.database === undefined) {
      problems.push({ path, ...document.locate(path), message: `${show(path)} is "${owner}", which has no database: write \`database: postgres\` at \`apps.${chain.at(-1)}\`` })
    }
  }
  return problems
}

function notThere({ what, name, at, valid }: { what: string; name: string; at: Path; valid: readonly string[] }): string {
  const near = similar(name, valid)
  return `${show(at)} is "${name}", and there is no such ${what}: ${near ? `did you mean "${near}"?` : valid.length > 0 ? `there ${valid.length === 1 ? 'is' : 'are'} ${valid.join(', ')}` : `this is the only ${what}`}`
}
