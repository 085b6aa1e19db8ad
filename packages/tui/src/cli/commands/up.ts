import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { OperationRequest } from '@pilot/server/contract'
import { endWell, printStaged, printUrl } from '../app-operation.ts'
import { canaryOptions, canaryRequest } from '../canary-options.ts'
import { common, defineCommand, flag, value } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { runOperation } from '../operation.ts'
import { choosePlatform, createLocalPlatform, type PlatformChoice } from '../platform.ts'
import { findProjectFolder } from '../project.ts'
import { announce } from '../target.ts'
import { watchCanary } from '../watch-canary.ts'

export const up = defineCommand({
  name: 'up',
  summary: 'Build, deploy and release a folder, and print its URL',
  description: [
    'A folder without pilot.yaml gets one: it shows what it would write and asks. Without a platform it creates one on this machine first.',
    'The new version is started beside the old one and gets the traffic when it is healthy. If it does not become healthy nothing changes for anyone, and the exit code is 4. Where nothing changed it releases nothing.',
    'With `--canary` or `--steps`, or `canary:` in the manifest, a version after the first gets a share of the traffic only, as with `release`.',
    'The last line on standard output is the URL alone.',
  ],
  arguments: [{ name: '[DIR]', summary: 'The folder; default: the one you are in.' }],
  options: [
    common.plan,
    { flags: '--no-release', summary: 'Stop before the traffic moves; `release` moves it.' },
    { flags: '--force', summary: 'Release also when nothing changed.' },
    ...Object.values(canaryOptions),
    { flags: '--no-canary', summary: 'All of the traffic at once, whatever the manifest says.' },
    common.yes,
    { flags: '--db', summary: 'Folder without a manifest: with a PostgreSQL database.' },
    { flags: '--no-db', summary: 'Folder without a manifest: without one.' },
    { flags: '--name <name>', summary: 'Folder without a manifest: the name of project and app.' },
    { flags: '--trust', summary: 'Code from elsewhere may run without isolation.' },
  ],
  examples: [
    { run: 'up', summary: 'this folder, from source to URL' },
    { run: 'up examples/todo --yes', summary: 'another one, without questions' },
    { run: 'up --canary 10%', summary: 'a share of the traffic for the new version' },
    { run: 'up --plan', summary: 'what would happen' },
    { run: 'curl "$(pilot up)"', summary: 'the URL in a script' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    // Loaded here, so that help is there at once.
    const [{ ensureManifest }, { defineApps, packApps, platformOf, sendSources }] = await Promise.all([import('../ensure-manifest.ts'), import('../sources.ts')])
    const canary = options['canary'] === false ? false : canaryRequest(options)
    const folder = await existingFolder(resolve(context.cwd, args[0] ?? '.'))
    const name = value(options, 'name')
    const project = await ensureManifest(context, { folder, explicit: args[0] !== undefined, yes: flag(options, 'yes'), plan: flag(options, 'plan'), ...(options['db'] === undefined ? {} : { database: flag(options, 'db') }), ...(name === undefined ? {} : { name }) })
    checkProject(context, project.name)

    const environment = context.globals.environment ?? 'production'
    const only = context.globals.app === undefined ? undefined : [context.globals.app]
    const definitions = defineApps(context, { project, environment, only, trust: flag(options, 'trust') })
    const packing = packApps(context, project, definitions)
    packing.catch(() => {})
    const choice = await choosePlatform(context, context.globals.platform ?? platformOf(project, environment))

    if (flag(options, 'plan')) {
      const { showUpPlan } = await import('../up-plan.ts')
      return await showUpPlan(context, { project: project.name, environment, choice, apps: await packing })
    }
    const platform = await preparePlatform(context, choice)
    if ('exit' in platform) return platform.exit
    await announce(context, { project: project.name, environment, platform: platform.name, ...(only === undefined ? {} : { app: only[0]! }) })

    const apps = await sendSources(context, await packing)
    const release = options['release'] !== false
    const request: OperationRequest = { action: 'up', platform: platform.name, project: project.name, environment, apps, release, ...(canary === undefined ? {} : { canary }), force: flag(options, 'force') }
    const isHere = findProjectFolder(context.cwd) === dirname(project.file)
    // A share without steps is not waited for.
    const inSteps = canary === undefined ? definitions.filter((definition) => definition.canary !== undefined) : canary && canary.steps ? definitions : []
    const waiting = release && options['wait'] !== false ? inSteps : []
    const result = await runOperation(context, request, { ...(isHere ? {} : { project: project.name }), partOfMore: waiting.length > 0 })
    if (result.outcome === 'done') {
      if (choice.type === 'missing-local') await (await import('../background.ts')).sayWhatRuns(context)
      if (release && definitions.some(({ domains }) => domains.length > 0)) await (await import('./domains.ts')).sayDomainProblems(context, { project: project.name, environment, platform: platform.name })
      if (release && only === undefined) await (await import('../left-behind.ts')).sayLeftBehind(context, { known: Object.keys(project.manifest.apps), project: project.name, environment, platform: platform.name })
      if (!release) printStaged(context, result)
      else if (waiting.length === 0) printUrl(context, result)
      else {
        const ends = await Promise.all(waiting.map(({ app }) => watchCanary(context, { params: app, query: { platform: platform.name } })))
        const exit = Math.max(...ends.map((end) => end.exit))
        if (exit !== 0) return exit
        endWell(context, result.url)
      }
    }
    return result.exit
  },
})

async function existingFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => error)
  if (found instanceof Error) throw new PilotError('USAGE', `There is no folder ${folder}.`, { reason: found.code ?? found.message, suggestion: 'Relative paths start in the folder you are in.' })
  if (!found.isDirectory()) throw new PilotError('USAGE', `${folder} is not a folder.`, { suggestion: '`up DIR` takes the folder that the source is in.' })
  return folder
}

/** `-p` beside a manifest can only confirm it: the apps come from there. */
function checkProject({ globals }: CommandContext, name: string): void {
  if (globals.project !== undefined && globals.project !== name) throw new PilotError('USAGE', `The manifest is of project ${name}, not of ${globals.project}.`, { suggestion: 'Leave --project out, or go to the folder of that project.' })
}

async function preparePlatform(context: CommandContext, choice: PlatformChoice): Promise<{ name: string } | { exit: number }> {
  return choice.type === 'existing' ? choice : await createLocalPlatform(context)
}
