import { endWell, printUrl, runAppOperation } from '../app-operation.ts'
import { canaryOptions, canaryRequest } from '../canary-options.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { splitVersion } from '../version-argument.ts'
import { watchCanary } from '../watch-canary.ts'

export const release = defineCommand({
  name: 'release',
  summary: 'Give the traffic to a deployment',
  description: ['Without a version it is the newest deployment. The new one must be healthy first; the old one then ends its open requests and stops.', 'With `--canary` it gets a share of the traffic only, and the old one keeps the rest. `release` again gives it another share or, without one, all of it; `rollback` none. With `--steps` that goes on by itself. A canary that becomes unhealthy, or fails more of its requests than it may, loses the traffic at once; whoever waits for it gets the exit code 4.'],
  arguments: [appArgument, { name: '[vN]', summary: 'The deployment; `releases` lists them.' }],
  options: [...Object.values(canaryOptions), common.yes],
  examples: [
    { run: 'release', summary: 'what `deploy` staged last' },
    { run: 'release api v12', summary: 'a certain one' },
    { run: 'release api v12 --canary 10%', summary: 'a share for it; then `release api` for all, or `rollback api`' },
    { run: 'release api v12 --steps 10%,50% --every 5m', summary: 'by itself, and back when it fails' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const { app, version } = splitVersion(args)
    const canary = canaryRequest(options)
    const waits = canary?.steps !== undefined && options['wait'] !== false
    const result = await runAppOperation(context, { app, request: { action: 'release', ...(version === undefined ? {} : { deployment: version }), ...(canary ? { canary } : {}) }, yes: flag(options, 'yes'), protect: true, partOfMore: waits })
    if (!waits || result.outcome !== 'done') {
      printUrl(context, result)
      return result.exit
    }
    const { exit, url = result.url } = await watchCanary(context, result.target)
    if (exit === 0) endWell(context, url)
    return exit
  },
})
