import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag, type CommandDefinition } from '../command.ts'

export const restart = startingCommand('restart', {
  summary: 'Start the released deployment afresh, without an interruption',
  example: 'new instances first, then the traffic, then the old ones end',
})

export const start = startingCommand('start', { summary: 'Start a stopped app', example: 'the deployment that ran when it was stopped' })

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

function startingCommand(action: 'restart' | 'start', { summary, example }: { summary: string; example: string }): CommandDefinition {
  return defineCommand({
    name: action,
    summary,
    arguments: [appArgument],
    examples: [{ run: `${action} api`, summary: example }],
    type: 'operation',
    needsServer: true,
    async run(context, { args }) {
      const result = await runAppOperation(context, { app: args[0], request: { action }, yes: false })
      printUrl(context, result)
      return result.exit
    },
  })
}
