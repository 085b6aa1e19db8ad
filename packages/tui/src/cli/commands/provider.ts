import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { common, defineCommand, flag } from '../command.ts'
import { cleanLine } from '../text/clean.ts'
import { listProviders } from './setup.ts'

const everywhere = ['app', 'project', 'environment', 'platform'] as const

export const providerList = defineCommand({
  name: 'provider list',
  summary: 'List the providers that are installed',
  without: [...everywhere, 'dir'],
  examples: [
    { run: 'provider list', summary: 'what `setup` knows' },
    { run: 'provider list --json', summary: 'with the settings of each' },
  ],
  type: 'query',
  needsServer: true,
  run: listProviders,
})

export const providerAdd = defineCommand({
  name: 'provider add',
  summary: 'Install a provider that somebody else has made',
  description: [
    'Installs the package with npm into this home, at exactly this version and without running its install scripts, and looks whether it is a provider of this contract. What fails leaves everything as it was.',
    'A provider runs in the Pilot server with all that this user may do: install those whose makers you trust.',
  ],
  arguments: [{ name: '<PACKAGE>', summary: 'PACKAGE@VERSION of the npm registry, or the path of a folder or of a .tgz file.' }],
  options: [common.yes],
  without: everywhere,
  examples: [
    { run: 'provider add pilot-provider-acme@0.3.0', summary: 'from the registry; from then on `setup acme`' },
    { run: 'provider add ./pilot-provider-acme-0.3.0.tgz', summary: 'from a file' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args: [given = ''], options }) {
    const spec = specOf(given, context.cwd)
    context.say(`${context.output.err.warn(context.output.err.symbol.warn)} ${cleanLine(spec)} will run in the Pilot server with all that this user may do: your files, Pilot's secrets, the network.`)
    if (!flag(options, 'yes') && !(await context.ask.confirm({ message: `Install ${spec}?`, flag: '--yes' }))) throw new PilotError('CANCELLED', 'Nothing was installed.', { suggestion: 'Run the command again when you are ready.' })
    const { provider, permissions, replaces } = await (await context.client()).request('addProvider', { body: { package: spec }, signal: context.signal, timeoutMs: 240_000 })
    const { output } = context
    output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { provider, ...(permissions === undefined ? {} : { permissions }), ...(replaces === undefined ? {} : { replaces }) } })
    output.result(`Installed ${cleanLine(provider.package)} ${cleanLine(provider.version)}: ${cleanLine(provider.title)}${replaces === undefined || replaces === provider.version ? '' : ` (it was ${cleanLine(replaces)})`}`)
    if (permissions === undefined) context.say('What it needs it tells once it has its settings.')
    else if (permissions.length > 0) context.say(`It says that it needs: ${permissions.map(cleanLine).join('; ')}.`)
    if (replaces !== undefined) context.say('The server goes on with the version that it has read, until it is started again: `server stop`.')
    context.say(`\`setup ${cleanLine(provider.name)} --plan\` shows what it would create.`)
  },
})

/** What is a path here must be one for the server too. */
function specOf(given: string, cwd: string): string {
  const isPath = /^\.{0,2}\//.test(given) || given === '.' || given === '..' || given.endsWith('.tgz')
  if (!isPath) {
    if (given.lastIndexOf('@') < 1) throw new PilotError('USAGE', `${given} names no version.`, { reason: 'A provider may do all that you may: what is installed is one version, and it stays that.', suggestion: `\`npm view ${given} versions\` lists them; then \`provider add ${given}@VERSION\`.` })
    return given
  }
  const path = resolve(cwd, given)
  if (!existsSync(path)) throw new PilotError('NOT_FOUND', `There is no ${path}.`, { suggestion: 'Check the path; relative ones start in the folder you are in.' })
  return path
}
