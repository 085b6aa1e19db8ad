import { readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { ImportFinding, Imported } from '../../import/draft.ts'
import { appFolderOf, formatOf, formatTitle, importFormats, importFrom, type ImportFormat } from '../../import/formats.ts'
import { common, defineCommand, flag, value } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { manifestFile } from '../project.ts'
import { clean, cleanLine } from '../text/clean.ts'
import { fileProblem } from '../text/file-problem.ts'
import { plural } from '../text/units.ts'

export const importFile = defineCommand({
  name: 'import',
  summary: 'Write pilot.yaml from the file of another tool',
  description: [
    'Reads a Procfile, a compose.yaml, Kamal\'s config/deploy.yml or a waypoint.hcl, shows the pilot.yaml that it would write, and asks. What cannot be carried over is named with its line and what to do instead.',
    'Values that look like secrets are never written: their names go to `secrets:`, and it prints the `secret set` lines.',
  ],
  arguments: [{ name: '<FILE>', summary: 'The file.' }],
  options: [
    { flags: '--from <format>', summary: `What the file is, where its name does not say: ${importFormats.join(', ')}.`, choices: importFormats },
    { flags: '--name <name>', summary: 'The project\'s name; default: as the file says, else the folder\'s.' },
    { flags: '--print', summary: 'Print pilot.yaml and write nothing.' },
    { flags: '--overwrite', summary: 'Replace a pilot.yaml that is there.' },
    common.yes,
  ],
  without: ['app', 'project', 'environment', 'platform'],
  examples: [
    { run: 'import compose.yaml', summary: 'shows what it would write, then asks' },
    { run: 'import config/deploy.yml --print', summary: 'of Kamal, and only look' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { args, options }) {
    const path = resolve(context.cwd, args[0]!)
    const shown = relative(context.cwd, path) || path
    const text = await textOf(path)
    const format = (value(options, 'from') as ImportFormat | undefined) ?? formatOf({ file: shown, text })
    const folder = appFolderOf(path, format)
    const name = value(options, 'name')
    const imported = await importFrom(format, { text, file: shown, project: name ?? basename(folder) })
    const { text: manifest, ...result } = await named(imported, name)
    const target = join(folder, manifestFile)
    const there = await readFile(target, 'utf8').catch(() => undefined)
    const isPrint = flag(options, 'print')

    await show(context, { ...result, text: manifest, shown, format, target, isPrint })
    const finish = (written: boolean): void => context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { file: target, written, ...result } })
    if (isPrint) {
      context.output.result(manifest)
      return finish(false)
    }
    const written = relative(context.cwd, target) || target
    if (there === manifest) context.say(`${written} says the same already.`)
    else {
      if (!(await isAgreed(context, { written, isThere: there !== undefined, yes: flag(options, 'yes'), overwrite: flag(options, 'overwrite') }))) throw new PilotError('CANCELLED', 'Nothing was written.', { suggestion: '`import FILE --print` only shows it.' })
      await write({ target, folder, manifest, isThere: there !== undefined })
      context.output.result(`Wrote ${written}`)
    }
    finish(there !== manifest)
    nextSteps(context, result)
  },
})

async function textOf(path: string): Promise<string> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new PilotError('USAGE', `${path} cannot be read.`, { reason: fileProblem(error), suggestion: 'Relative paths start in the folder you are in.' })
  })
  if (content.length > maxBytes) throw new PilotError('USAGE', `${path} is larger than ${maxBytes / 1024} kB.`, { suggestion: 'Check that it is the right file.' })
  return content.toString('utf8')
}

const maxBytes = 256 * 1024

/** With the name that the user said. */
async function named(imported: Imported, name: string | undefined): Promise<Imported> {
  if (name === undefined) return imported
  const { nameFrom, writeManifest } = await import('@pilot/core')
  if (nameFrom(name) !== name) throw new PilotError('USAGE', `"${name}" cannot be the name of a project.`, { suggestion: `Use a-z, 0-9 and -, at most 40 characters, such as --name ${nameFrom(name)}.` })
  const manifest = { ...imported.manifest, project: name }
  return { ...imported, manifest, text: writeManifest(manifest) }
}

type Shown = Imported & { readonly shown: string; readonly format: ImportFormat; readonly target: string; readonly isPrint: boolean }

async function show(context: CommandContext, { findings, text, shown, format, target, isPrint }: Shown): Promise<void> {
  const { err } = context.output
  const { projectOf, unappliedKeys } = await import('@pilot/core')
  if (!isPrint) {
    context.output.progress(err.dim(`${cleanLine(target)}, from ${formatTitle[format]}:`))
    for (const line of text.trimEnd().split('\n')) context.output.progress(`  ${err.dim(err.symbol.bar)} ${clean(line)}`)
  }
  const line = ({ line, what, instead }: ImportFinding): string => `  ${line === undefined ? '' : `${shown}:${line} `}${err.strong(cleanLine(what))}  ${cleanLine(instead)}`
  const [leftOut, otherwise] = [findings.filter(({ kind }) => kind === 'left out'), findings.filter(({ kind }) => kind === 'otherwise')]
  if (otherwise.length > 0) context.say(`${err.accent(err.symbol.info)} Carried over in another form, or done by Pilot itself:`)
  for (const finding of otherwise) context.say(line(finding))
  if (leftOut.length > 0) context.say(`${err.warn(err.symbol.warn)} Not carried over:`)
  for (const finding of leftOut) context.say(line(finding))
  const unapplied = unappliedKeys({ project: projectOf({ text, file: target }), environment: 'production' })
  for (const { app, key } of unapplied) context.say(`${err.warn(err.symbol.warn)} \`${key}\` of ${app} stands in pilot.yaml, and no platform of this version applies it yet.`)
}

async function isAgreed(context: CommandContext, { written, isThere, yes, overwrite }: { written: string; isThere: boolean; yes: boolean; overwrite: boolean }): Promise<boolean> {
  if (isThere) return overwrite || (await context.ask.confirm({ message: `${written} is there already. Replace it?`, flag: '--overwrite' }))
  return yes || overwrite || (await context.ask.confirm({ message: `Write ${written}?`, flag: '--yes', initial: true }))
}

async function write({ target, folder, manifest, isThere }: { target: string; folder: string; manifest: string; isThere: boolean }): Promise<void> {
  const { writeEditorSchema, writeProposal } = await import('@pilot/core')
  if (!isThere) return await writeProposal({ file: target, text: manifest })
  const beside = `${target}.${process.pid}.new`
  try {
    await writeFile(beside, manifest, { flag: 'wx' })
    await rename(beside, target)
  } catch (error) {
    throw new PilotError('SOURCE_UNREADABLE', `${target} cannot be written`, { reason: (error as Error).message, cause: error })
  }
  await writeEditorSchema(folder)
}

function nextSteps(context: CommandContext, { secrets }: Pick<Imported, 'secrets'>): void {
  if (secrets.length > 0) context.say(`Before the first \`up\`, ${plural(secrets.length, 'secret wants', 'secrets want')} a value:`)
  for (const { app, name } of secrets) context.say(`  \`secret set ${app} ${name}\``)
  context.say(secrets.length > 0 ? 'Then `up` deploys it.' : '`up` deploys it.')
}
