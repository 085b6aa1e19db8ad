import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'

export const restart = defineCommand({
  name: 'restart',
  summary: 'Start the released deployment afresh, without an interruption',
  arguments: [appArgument],
  options: [common.yes],
  examples: [{ run: 'restart api', summary: 'new instances first, then the traffic, then the old ones end' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const result = await runAppOperation(context, { app: args[0], request: { action: 'restart' }, yes: flag(options, 'yes') })
    printUrl(context, result)
    return result.exit
  },
})

export const stop = defineCommand({
  name: 'stop',
  summary: 'Stop an app and keep its data',
  description: ['Its address then answers that the app is stopped. `start` brings back the same deployment.'],
  arguments: [appArgument],
  options: [common.yes],
  examples: [{ run: 'stop api', summary: 'until start' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { exit, outcome, target } = await runAppOperation(context, { app: args[0], request: { action: 'stop' }, yes: flag(options, 'yes'), protect: true })
    if (outcome === 'done') context.say(`Stopped. Database and volumes are kept; \`start ${target.params.app}\` starts it again.`)
    return exit
  },
})

export const start = defineCommand({
  name: 'start',
  summary: 'Start a stopped app',
  arguments: [appArgument],
  options: [common.yes],
  examples: [{ run: 'start api', summary: 'the deployment that ran when it was stopped' }],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const result = await runAppOperation(context, { app: args[0], request: { action: 'start' }, yes: flag(options, 'yes') })
    printUrl(context, result)
    return result.exit
  },
})
