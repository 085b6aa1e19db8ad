/** `npm run docs`: writes the generated pages of docs/reference anew. Tests fail while one is out of date. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { errorReference } from '../packages/core/src/errors/reference.ts'
import { pilotSchemaText } from '../packages/core/src/manifest/json-schema.ts'
import { commandsReference } from '../packages/tui/src/docs/commands-reference.ts'

const pages = {
  'commands.md': await commandsReference(),
  'errors.md': errorReference(),
  'pilot.schema.json': pilotSchemaText(),
}
for (const [name, text] of Object.entries(pages)) await writeFile(path.resolve(import.meta.dirname, '../docs/reference', name), text)
