import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { splitVersion } from '../version-argument.ts'

export const rollback = defineCommand({
  name: 'rollback',
  summary: 'Release an earlier deployment again',
  description: ['A new release with the artifact and the configuration that the deployment had. Data is not rolled back.'],
  arguments: [appArgument, { name: '[vN]', summary: 'The deployment; default: the one that had the traffic before.' }],
  options: [common.yes],
  examples: [
    { run: 'rollback', summary: 'to the one before' },
    { run: 'rollback api v12', summary: 'to a certain one' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { app, version } = splitVersion(args)
    const result = await runAppOperation(context, { app, request: { action: 'rollback', ...(version === undefined ? {} : { to: version }) }, yes: flag(options, 'yes'), protect: true })
    printUrl(context, result)
    return result.exit
  },
})
