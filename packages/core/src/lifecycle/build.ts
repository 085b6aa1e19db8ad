import { PilotError } from '../errors/pilot-error.ts'
import type { Builder } from '../provider/builder.ts'
import type { ArtifactReference } from '../provider/compute-specs.ts'
import type { Capabilities } from '../provider/provider.ts'
import type { AppDefinition } from './app-definition.ts'
import type { LifecycleContext } from './context.ts'
import { noSuchTarget } from './desired.ts'
import { aroundBuild, refuseHooks, withSource } from './hooks.ts'
import { contentId } from './ledger.ts'
import { runPhase } from './phase.ts'
import type { BuildInput } from './phases.ts'
import type { BuildRecord } from './records.ts'
import { appTitle, secretPrefix } from './scope.ts'
import { withApp, type AppSession } from './session.ts'
import { siteArguments } from './site-arguments.ts'

/** Turns a source into an artifact, or finds the one that the same source and options made before. */
export const build = (context: LifecycleContext, input: BuildInput): Promise<BuildRecord> =>
  withApp(context, { app: input.app.app, action: 'build' }, (session) => buildIn(session, input))

export function buildIn({ context: given, ...rest }: AppSession, { app, source, force = false }: BuildInput): Promise<BuildRecord> {
  const context = withSource(given, source)
  const session = { ...rest, context }
  return runPhase(context, { app: app.app, phase: 'build' }, async () => {
    const facts = app.image !== undefined ? { files: [], text: () => undefined, image: app.image } : { ...source.facts, text: (path: string) => source.facts.text(path), ...(app.build === undefined ? {} : { build: app.build }), ...(app.buildpacks === undefined ? {} : { buildpacks: app.buildpacks }), ...(app.static === undefined ? {} : { static: app.static }), ...(app.function === undefined ? {} : { handler: app.function.handler }) }
    const { builder, reason } = chooseBuilder(context.provider, app, facts)
    refuseUntrusted(app, builder)
    refuseHooks(context, app)
    if (builder.target === 'process' || (builder.target === 'function' && builder.runsHere)) context.emit({ type: 'notice', app: app.app.app, level: 'warning', text: `It runs as a process of this machine: that is no isolation from other apps or from your files.${insteadOfProcess(context.provider, builder)}` })
    const args = builder.target === 'static' ? await siteArguments(session, app) : app.buildArgs
    await refuseSecretsAsArguments(context, { app: app.app, args })
    const optionsDigest = contentId({ builder: builder.name, recipe: builder.recipe ?? 0, args, build: app.build ?? null, ...(app.buildpacks === undefined ? {} : { buildpacks: { ...app.buildpacks } }), ...(app.static === undefined ? {} : { static: app.static }), ...(app.function === undefined ? {} : { handler: app.function.handler }), ...(app.image === undefined ? {} : { image: app.image }) }, 20)
    const sameInput = (await session.ledger()).builds.filter((build) => build.source.digest === source.record.digest && build.optionsDigest === optionsDigest)
    const earlier = sameInput.at(-1)
    if (earlier && !force && !builder.moves?.(facts) && (await builder.exists(earlier.artifact, context.signal))) {
      return { result: earlier, outcome: 'unchanged', detail: 'the source has not changed' }
    }
    const startedAt = new Date().toISOString()
    const started = performance.now()
    const artifact = await aroundBuild(session, { app, source }, () => builder.build({
      app: app.app,
      openSource: () => source.open(),
      sourceDigest: source.record.digest,
      facts,
      args,
      signal: context.signal,
      log: context.log,
    }))
    const ms = Math.round(performance.now() - started)
    if (builder.moves?.(facts)) tellWhatWasFound(context, app, artifact)
    const same = sameInput.find((build) => build.artifact.digest === artifact.digest)
    if (same) return { result: same, detail: reason, ...(builder.moves?.(facts) ? { outcome: 'unchanged' as const } : {}) }
    const id = contentId({ source: source.record.digest, optionsDigest, artifact: artifact.digest }, 20)
    const record: BuildRecord = { id, app: app.app, source: source.record, builder: builder.name, target: builder.target, optionsDigest, artifact, startedAt, ms }
    return { result: await session.write.build(record), detail: reason }
  })
}

export function chooseBuilder(provider: Capabilities, { app, target }: AppDefinition, facts: Parameters<Builder['fits']>[0]): { builder: Builder; reason: string } {
  for (const builder of provider.builders) {
    if (target !== undefined && builder.target !== target) continue
    const fit = builder.fits(facts)
    if (fit) return { builder, reason: fit.reason }
  }
  if (target !== undefined && !provider.compute[target]) throw noSuchTarget(provider, target)
  if (facts.image !== undefined) throw new PilotError('NEEDS_CONTAINERS', `${appTitle(app)} is the image ${facts.image}, and this platform runs no containers`, { reason: `It builds with ${provider.builders.map(({ name }) => name).join(', ') || 'nothing'}.` })
  if (facts.handler !== undefined) throw new PilotError('NOTHING_DETECTED', `${appTitle(app)} has no file for its handler ${facts.handler}`, { reason: `The source holds ${summary(facts.files)}.`, suggestion: 'Write `function:` as the file without its ending (.js, .mjs, .cjs, .ts or .py), a dot, and what it exports: `src/index.handler`.' })
  if (facts.build === 'buildpack' && !provider.compute.container) throw new PilotError('NEEDS_CONTAINERS', `${appTitle(app)} is to be built with buildpacks, and this platform runs no containers`, { reason: 'Buildpacks make a container image.', suggestion: 'Take `build: buildpack` out of pilot.yaml to run it as a process, or set the platform up for containers while no app is deployed on it: `setup local --runtime docker`.' })
  if (facts.build === 'buildpack') throw new PilotError('NOTHING_DETECTED', `${appTitle(app)} wants to be built with buildpacks, and this platform has no builder for them`, { reason: `It builds with ${provider.builders.map(({ name }) => name).join(', ') || 'nothing'}.`, suggestion: 'Take `build: buildpack` out of pilot.yaml to let Pilot look at the source, or write the path of a Dockerfile there.' })
  throw new PilotError('NOTHING_DETECTED', `Pilot did not recognise how to run ${appTitle(app)}`, {
    reason: `The source holds ${summary(facts.files)}; this platform builds with ${provider.builders.map(({ name }) => name).join(', ') || 'nothing'}.`,
  })
}

/** The way out without writing a Dockerfile, where there is one. */
const insteadOfProcess = ({ builders }: Capabilities, { target }: Builder): string => (target === 'process' && builders.some(({ name }) => name === 'buildpack') ? ' With `build: buildpack` in pilot.yaml it becomes a container (that needs `pack`).' : '')

/** What is deployed is what was found now: the name may mean another image tomorrow. */
function tellWhatWasFound({ emit }: LifecycleContext, { app: { app }, image }: AppDefinition, { origin, digest }: ArtifactReference): void {
  const text = origin === undefined ? `${image} is an image of this machine, and that name may move. What runs is the image ${digest.slice(0, 19)}.` : `${image} is a tag, which may move. What runs is what it means now; to stay with it write \`image: ${origin}\`.`
  emit({ type: 'notice', app, level: 'info', text })
}

function refuseUntrusted(app: AppDefinition, builder: Builder): void {
  if (app.trusted || !builder.runsHere) return
  throw new PilotError('TRUST_NEEDED', `${appTitle(app.app)} comes from elsewhere and would run on this machine as a process, without isolation`)
}

async function refuseSecretsAsArguments({ secrets }: LifecycleContext, { app, args }: { app: AppDefinition['app']; args: Readonly<Record<string, string>> }): Promise<void> {
  if (Object.keys(args).length === 0) return
  for (const { name, version } of await secrets.list(secretPrefix(app))) {
    const value = await secrets.get({ $secret: { store: secrets.name, name, version } })
    const argument = Object.entries(args).find(([, argument]) => value !== '' && argument.includes(value))
    if (argument) throw new PilotError('SECRET_IN_BUILD_ARGUMENT', `The build argument ${argument[0]} of ${appTitle(app)} holds the secret ${name.slice(secretPrefix(app).length)}`)
  }
}

const summary = (files: readonly string[]): string => (files.length === 0 ? 'no files' : `${files.slice(0, 5).join(', ')}${files.length > 5 ? ` and ${files.length - 5} more files` : ''}`)
