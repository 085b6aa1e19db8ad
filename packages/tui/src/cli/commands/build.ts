import type { Operation, OperationRequest } from '@pilot/server/contract'
import { appArgument, defineCommand, flag } from '../command.ts'
import { runOperation } from '../operation.ts'
import { choosePlatform, createLocalPlatform } from '../platform.ts'
import { requireManifest } from '../require-manifest.ts'
import { announce } from '../target.ts'

export const build = defineCommand({
  name: 'build',
  summary: 'Build an app and stop there',
  description: ['Without an app all of the project. What was built from the same source with the same options is taken again, unless --force is given. Prints the id of each build.'],
  arguments: [{ ...appArgument, summary: 'The app; default: all of the project.' }],
  options: [
    { flags: '--force', summary: 'Build although nothing changed.' },
    { flags: '--trust', summary: 'Code from elsewhere may run without isolation.' },
  ],
  examples: [
    { run: 'build', summary: 'all apps of the project' },
    { run: 'build api --force', summary: 'one of them, from scratch' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { defineApps, packApps, sendSources } = await import('../sources.ts')
    const { target, project } = await requireManifest(context)
    const { environment } = target
    const app = args[0] ?? context.globals.app
    const definitions = defineApps(context, { project, environment, only: app === undefined ? undefined : [app], trust: flag(options, 'trust') })
    const packing = packApps(context, project, definitions)
    const choice = await choosePlatform(context, target.platform)
    const platform = choice.type === 'existing' ? choice : await createLocalPlatform(context)
    if ('exit' in platform) return platform.exit
    await announce(context, { project: project.name, environment, platform: platform.name, ...(app === undefined ? {} : { app }) })
    const apps = await sendSources(context, await packing)
    const request: OperationRequest = { action: 'build', platform: platform.name, project: project.name, environment, apps, force: flag(options, 'force') }
    const { exit, outcome, operation } = await runOperation(context, request)
    if (outcome !== 'detached') for (const id of buildIds(await operation())) context.output.result(id)
    return exit
  },
})

const buildIds = (operation: Operation): string[] =>
  operation.jobs.flatMap(({ result }) => {
    const build = result?.['build'] ?? result
    const id = (build as { id?: unknown } | undefined)?.id
    return typeof id === 'string' ? [id] : []
  })
