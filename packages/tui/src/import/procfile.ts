import { PilotError } from '@pilot/core/errors'
import { parseProcfile } from '@pilot/core'
import { createDraft, type Imported, type ImportInput } from './draft.ts'

/** A Procfile: `web` is the app, `release` its release command, all else its processes. Throws USAGE with the lines that cannot be read. */
export function importProcfile({ text, file, project }: ImportInput): Imported {
  const draft = createDraft(project)
  const app = draft.app('web')
  app['source'] = '.'
  const processes: Record<string, string> = {}
  const problems: string[] = []
  const seen = new Map<string, number>()
  for (const [index, content] of text.replace(/^\uFEFF/, '').split(/\r?\n/).entries()) {
    const line = index + 1
    if (/^\s*(?:#|$)/.test(content)) continue
    const read = parseProcfile(content.trim())
    const [name, command] = read.release === undefined ? (Object.entries(read.processes)[0] ?? []) : ['release', read.release]
    if (name === undefined || command === undefined) {
      problems.push(`${file}:${line}: not of the form NAME: COMMAND`)
      continue
    }
    const written = content.trim().split(':', 1)[0]!
    if (written !== name) draft.otherwise(written, `Is called ${name}: names consist of a-z, 0-9 and -.`, line)
    const before = seen.get(name)
    if (before !== undefined) draft.otherwise(written, `Stands on line ${before} too; this one counts.`, line)
    seen.set(name, line)
    if (name === 'web') app['command'] = command
    else if (name === 'release') app['release'] = command
    else processes[name] = command
  }
  if (problems.length > 0) throw new PilotError('USAGE', problems.slice(0, 10).join('\n'), { suggestion: `Correct ${file}; nothing was written.` })
  if (seen.size === 0) throw new PilotError('USAGE', `${file} names no process.`, { suggestion: 'Lines have the form NAME: COMMAND.' })
  if (!seen.has('web')) {
    app['scale'] = 0
    draft.otherwise('web', 'There is no `web:`, so nothing of the app gets traffic: `scale: 0`, and its processes run.')
  }
  app['processes'] = processes
  return draft.finish()
}
