/** Writes docs/reference/commands.md: `node --conditions=@pilot/source packages/tui/src/docs/generate-commands.ts [--check]`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { commandsReference } from './commands-reference.ts'

const file = resolve(import.meta.dirname, '../../../../docs/reference/commands.md')
const text = await commandsReference()
if (process.argv.includes('--check')) {
  const written = await readFile(file, 'utf8').catch(() => '')
  if (written !== text) {
    console.error(`${file} is out of date; run packages/tui/src/docs/generate-commands.ts`)
    process.exit(1)
  }
} else {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
