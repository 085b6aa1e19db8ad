import type { OptionDefinition } from './option.ts'

export type GlobalName = 'app' | 'dir' | 'project' | 'environment' | 'platform'

/** Understood by every command, before or after its name. */
export const globalOptions: Readonly<Record<GlobalName | 'json' | 'quiet' | 'help', OptionDefinition>> = {
  app: { flags: '-a, --app <name>', summary: 'The app, as [APP] does.' },
  dir: { flags: '-C, --dir <path>', summary: 'Act as if started in this folder.' },
  project: { flags: '-p, --project <name>', summary: 'The project; default: that of the nearest pilot.yaml upwards, else the only one.' },
  environment: { flags: '-e, --environment <name>', summary: 'The environment; default: production.' },
  platform: { flags: '--platform <name>', summary: 'The platform; default: what pilot.yaml says, else the only one.' },
  json: { flags: '--json', summary: 'For programs: one document, or one event per line.' },
  quiet: { flags: '-q, --quiet', summary: 'No progress, only results and errors.' },
  help: { flags: '-h, --help', summary: 'Show this.' },
}

export interface Globals {
  readonly app?: string
  readonly dir?: string
  readonly project?: string
  readonly environment?: string
  readonly platform?: string
  readonly json: boolean
  readonly quiet: boolean
}

/** Letters and words of the options above that take a value: needed to find the command's name in what was typed. */
export const globalsWithValue: ReadonlySet<string> = new Set(
  Object.values(globalOptions)
    .filter(({ flags }) => flags.includes('<'))
    .flatMap(({ flags }) => flags.replace(/ <.*/, '').split(', ')),
)
