import type { OperationRequest } from '@pilot/server/contract'
import { appArgument, defineCommand, flag, value } from '../command.ts'
import { printStaged } from '../app-operation.ts'
import { runOperation } from '../operation.ts'
import { requireManifest } from '../require-manifest.ts'
import { announce } from '../target.ts'

export const deploy = defineCommand({
  name: 'deploy',
  summary: 'Deploy the newest build, without traffic',
  description: ['Starts a build with the configuration of now and waits until it is healthy; the release that has the traffic is not touched. `release` then gives it the traffic. Prints where it answers meanwhile. From source in one step: `up --no-release`.'],
  arguments: [{ ...appArgument, summary: 'The app; default: all of the project.' }],
  options: [
    { flags: '--build <id>', summary: 'A certain build of one app; default: the newest.' },
    { flags: '--trust', summary: 'Code from elsewhere may run without isolation.' },
  ],
  examples: [
    { run: 'deploy api', summary: 'stage what `build` made last' },
    { run: 'deploy api --build b41f', summary: 'a certain build' },
    { run: 'curl "$(pilot deploy api)/healthz"', summary: 'a look at it before its release' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { defineApps } = await import('../sources.ts')
    const { target, project } = await requireManifest(context)
    const { environment, platform } = target
    const app = args[0] ?? context.globals.app
    const definitions = defineApps(context, { project, environment, only: app === undefined ? undefined : [app], trust: flag(options, 'trust') })
    const build = value(options, 'build')
    await announce(context, { project: project.name, environment, platform, ...(app === undefined ? {} : { app }) })
    const apps = definitions.map((definition) => ({ definition, ...(build === undefined ? {} : { build }) }))
    const request = { action: 'deploy', project: project.name, environment, apps, ...(platform === undefined ? {} : { platform }) } as OperationRequest
    const result = await runOperation(context, request)
    printStaged(context, result)
    return result.exit
  },
})
