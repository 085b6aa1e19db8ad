import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { splitVersion } from '../version-argument.ts'

export const release = defineCommand({
  name: 'release',
  summary: 'Give the traffic to a deployment',
  description: ['Without a version it is the newest deployment. The new one must be healthy first; the old one then ends its open requests and stops.'],
  arguments: [appArgument, { name: '[vN]', summary: 'The deployment; `releases` lists them.' }],
  options: [common.yes],
  examples: [
    { run: 'release', summary: 'what `deploy` staged last' },
    { run: 'release api v12', summary: 'a certain one' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { app, version } = splitVersion(args)
    const result = await runAppOperation(context, { app, request: { action: 'release', ...(version === undefined ? {} : { deployment: version }) }, yes: flag(options, 'yes'), protect: true })
    printUrl(context, result)
    return result.exit
  },
})
