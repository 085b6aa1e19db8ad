import { stringify } from 'yaml'
import * as z from 'zod'
import type { PilotError } from '../errors/pilot-error.ts'
import { documentError } from '../manifest/document-error.ts'
import { nameRule } from '../manifest/schema.ts'
import { schemaProblems } from '../manifest/schema-problems.ts'
import { readYaml } from '../manifest/yaml-document.ts'

/** A platform as a file says it: what `setup` would otherwise be told by its options. Settings that are left out keep the provider's defaults. */
export interface PlatformFile {
  readonly provider: string
  /** Default: the provider's name. */
  readonly name?: string | undefined
  readonly settings: Readonly<Record<string, unknown>>
}

/** What a provider says about one setting. */
export interface SettingProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

const write = (valid: string) => ({ error: valid })
const name = (what: string) => z.string(write(what)).regex(nameRule, write(what))
const schema = z.strictObject({
  provider: name('the name of a provider, such as local'),
  name: name('a name of a-z, 0-9 and -, at most 40 characters').optional(),
  settings: z.record(z.string(), z.unknown(), write('settings by name, such as { runtime: process }')).default({}),
}, write('provider, name and settings'))

const suggestion = '`setup --export` prints a platform that is there as such a file; docs/platforms.md shows every key.'

/** Reads the text of a platform.yaml. `invalid` turns what the provider says of settings into an error with their lines. Throws MANIFEST_INVALID. */
export function parsePlatformFile({ text, file }: { text: string; file: string }): PlatformFile & { invalid(problems: readonly SettingProblem[]): PilotError } {
  const document = readYaml(text)
  if (document.problems.length > 0) throw documentError({ text, file, problems: document.problems, suggestion })
  const parsed = schema.safeParse(document.value ?? {})
  if (!parsed.success) throw documentError({ text, file, problems: schemaProblems(document, parsed.error.issues, { schema, whole: 'The file' }), suggestion })
  return {
    ...parsed.data,
    invalid: (problems) => {
      const located = problems.map(({ path, message }) => ({ path: ['settings', ...path], ...document.locate(['settings', ...path], 'key'), message }))
      return documentError({ text, file, problems: located, suggestion })
    },
  }
}

/** Its text, with every setting written out. */
export function writePlatformFile({ provider, name, settings }: PlatformFile): string {
  return `# pilot setup --file platform.yaml\n${stringify({ provider, ...(name === undefined ? {} : { name }), ...(Object.keys(settings).length === 0 ? {} : { settings }) }, { lineWidth: 0 })}`
}
