import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PilotError } from '@pilot/core/errors'
import { defineCommand, value } from '../command.ts'
import type { Environment } from '../terminal.ts'

/** How a file is known for one of ours, which may be replaced. */
const mark = '# pilot, made by install-cli'

export const installCli = defineCommand({
  name: 'install-cli',
  summary: 'Make `pilot` a command that this user can type anywhere',
  description: ['Writes a small file into ~/.local/bin that starts this copy of Pilot, and says what to do where that folder is not on the PATH. A file of somebody else is left alone. Delete the file to undo it.'],
  options: [{ flags: '--to <folder>', summary: 'Another folder than ~/.local/bin.' }],
  without: ['app', 'project', 'environment', 'platform'],
  examples: [
    { run: 'install-cli', summary: 'from then on: `pilot status`, in any folder' },
    { run: 'install-cli --to ~/bin', summary: 'elsewhere' },
  ],
  type: 'operation',
  needsServer: false,
  async run(context, { options }) {
    const { env } = context.terminal
    const folder = resolve(context.cwd, value(options, 'to') ?? join(env['HOME'] ?? homedir(), '.local/bin'))
    const file = join(folder, 'pilot')
    await refuseForeign(file)
    await write(file, shim(startFile()))
    const isOnPath = (env['PATH'] ?? '').split(delimiter).some((each) => each !== '' && resolve(each) === folder)
    context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', result: { file, isOnPath } })
    context.output.result(`Wrote ${file}`)
    if (isOnPath) context.say('Type `pilot --help` in any folder.')
    else context.say(`${folder} is not on your PATH: put this line into your shell's start-up file, and open a new terminal.\n  export PATH="${folder}:$PATH"`)
  },
})

/** The usual file, if it is one of ours; its path when it was there. */
export async function removeShim(env: Environment): Promise<string | undefined> {
  const file = join(env['HOME'] ?? homedir(), '.local/bin/pilot')
  const found = await readFile(file, 'utf8').catch(() => '')
  if (found.split('\n')[1] !== mark) return undefined
  await rm(file, { force: true })
  return file
}

/** In a clone the script that also installs and builds what has changed; else the program itself. */
function startFile(): string {
  const here = fileURLToPath(import.meta.url)
  for (let folder = dirname(here); folder !== dirname(folder); folder = dirname(folder)) {
    const script = join(folder, 'scripts/start.cjs')
    if (existsSync(script)) return script
  }
  return process.argv[1] ?? here
}

const shim = (script: string): string => `#!/bin/sh\n${mark}\nexec node '${script.replaceAll("'", `'\\''`)}' "$@"\n`

async function refuseForeign(file: string): Promise<void> {
  const found = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' || error.code === 'ENOTDIR' ? undefined : ''))
  if (found === undefined || found.split('\n')[1] === mark) return
  throw new PilotError('NAME_TAKEN', `${file} is there already, and Pilot did not write it.`, { suggestion: 'Move it away, or choose another folder with `--to`.' })
}

async function write(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(4).toString('hex')}`
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(temporary, text, { mode: 0o755, flag: 'wx' })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw new PilotError('USAGE', `${file} cannot be written.`, { reason: (error as NodeJS.ErrnoException).code ?? (error as Error).message, suggestion: 'Choose a folder of yours with `--to`.', cause: error })
  }
}
