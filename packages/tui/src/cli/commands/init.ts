import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import { common, defineCommand, flag, value } from '../command.ts'
import { findingLines } from '../findings.ts'
import { machineFindings } from '../machine.ts'
import { manifestFile } from '../project.ts'

export const init = defineCommand({
  name: 'init',
  summary: 'Write pilot.yaml for the app in this folder',
  description: ['Finds out how the folder runs, as `up` does: a Dockerfile, package.json, Python, Go, a Procfile or static files. Writes only what differs from that. An existing pilot.yaml is never overwritten.'],
  arguments: [{ name: '[DIR]', summary: 'The folder; default: the one you are in.' }],
  options: [
    { flags: '--name <name>', summary: 'The project\'s name; default: the folder\'s.' },
    { flags: '--db', summary: 'With a PostgreSQL database.' },
    { flags: '--no-db', summary: 'Without one, even if the code seems to need it.' },
    { flags: '--print', summary: 'Print it and write nothing.' },
    common.yes,
  ],
  without: ['app', 'project', 'environment', 'platform'],
  examples: [
    { run: 'init', summary: 'here' },
    { run: 'init ./shop --name shop --db', summary: 'elsewhere, with a name and a database' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { args, options }) {
    const folder = resolve(context.cwd, args[0] ?? '.')
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw new PilotError('USAGE', `There is no folder ${folder}.`, { suggestion: 'Relative paths start in the folder you are in.' })
    const { output } = context
    const file = join(folder, manifestFile)
    if (existsSync(file) && !flag(options, 'print')) throw new PilotError('NAME_TAKEN', `${file} is there already.`, { suggestion: 'Change it as you like; `init --print` shows what would be written today.' })
    for (const finding of (await machineFindings(context.terminal.env)).filter(({ status }) => status !== 'ok')) for (const line of findingLines(finding, { style: output.err, form: context.form })) output.progress(line)

    const { proposeManifest, showProposal, writeProposal } = await import('../proposal.ts')
    const name = value(options, 'name')
    const db = options['db'] as boolean | undefined
    const proposal = await proposeManifest({ dir: folder, ...(name === undefined ? {} : { name }), ...(db === undefined ? {} : { db }) })
    const done = { v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { file: proposal.file, manifest: proposal.manifest, written: !flag(options, 'print') } }
    if (flag(options, 'print')) {
      output.result(proposal.text)
      return output.event(done)
    }
    showProposal(context, proposal)
    await writeProposal(proposal)
    output.event(done)
    output.result(`Wrote ${relative(context.cwd, proposal.file) || proposal.file}`)
    context.say('`up` deploys it.')
  },
})
