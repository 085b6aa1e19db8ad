/** What a Procfile says: its `release:` line, and its processes by name, `web` among them where there is one. */
export interface Procfile {
  readonly processes: Readonly<Record<string, string>>
  readonly release?: string
}

/** Lines of the form `name: command`; comments, empty and other lines are passed over, as Heroku and foreman do. Of a name that stands twice the last line holds. */
export function parseProcfile(text: string): Procfile {
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const [, written, command] = /^([A-Za-z0-9_-]+):[ \t]*(\S.*?)\s*$/.exec(line) ?? []
    if (written !== undefined && command !== undefined) found.set(processName(written), command)
  }
  const { release, ...processes } = Object.fromEntries(found)
  return { processes, ...(release === undefined ? {} : { release }) }
}

/** Names stand in keys of resources and in names of containers: `Mail_Worker` → `mail-worker`. */
const processName = (written: string): string => written.toLowerCase().replaceAll('_', '-').replaceAll(/^-+|-+$/g, '').slice(0, 40) || 'process'
