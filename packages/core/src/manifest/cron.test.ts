import { expect, test } from 'vitest'
import { isPilotError } from '../errors/pilot-error.ts'
import { parseManifest } from './parse-manifest.ts'
import { resolveApps } from './resolve-apps.ts'
import type { Project } from './load-project.ts'

const app = (keys: string) => `project: x\napps:\n  a:\n${keys}`
const problem = (keys: string): string => {
  try {
    parseManifest({ text: app(keys), file: 'pilot.yaml' })
    return 'none'
  } catch (error) {
    return isPilotError(error) ? error.message : String(error)
  }
}
const definition = (keys: string, environment = 'production') => {
  const { manifest, locate, written } = parseManifest({ text: app(keys), file: 'pilot.yaml' })
  const project = { name: 'x', manifest, locate, written, apps: [{ name: 'a', source: { type: 'local', path: '.' } }] } as unknown as Project
  return resolveApps({ project, environment })[0]!
}

test('a job has its defaults, and an environment replaces single jobs', () => {
  const keys = '    cron:\n      report: { schedule: "0 6 * * *", run: npm run report }\n      clean: { schedule: "@hourly", run: "rm -f *.tmp", timeZone: Europe/Berlin, overlap: replace, missed: once, timeout: 90m }\n    environments: { preview: { cron: { report: { schedule: "@daily", run: ./other } } } }\n'
  expect(definition(keys).cron).toEqual({
    report: { schedule: '0 6 * * *', timeZone: 'UTC', command: ['npm', 'run', 'report'], overlap: 'skip', missed: 'skip', timeoutMs: 24 * 3600_000 },
    clean: { schedule: '@hourly', timeZone: 'Europe/Berlin', command: ['sh', '-c', 'rm -f *.tmp'], overlap: 'replace', missed: 'once', timeoutMs: 5400_000 },
  })
  expect(Object.keys(definition(keys, 'preview').cron!)).toEqual(['report', 'clean'])
  expect(definition(keys, 'preview').cron!['report']).toMatchObject({ schedule: '@daily', command: ['./other'] })
})

test('a wrong expression and a wrong time zone are named with their place and what is right', () => {
  expect(problem('    cron: { r: { schedule: "61 * * * *", run: x } }\n')).toBe('pilot.yaml:4:28: `apps.a.cron.r.schedule` is "61 * * * *": invalid value for minute: 61; write five cron fields such as "0 6 * * *", or @daily')
  expect(problem('    cron: { r: { schedule: "* * * * * *", run: x } }\n')).toContain('pilot.yaml:4:28: `apps.a.cron.r.schedule` is "* * * * * *": it has not five fields')
  expect(problem('    cron: { r: { schedule: "0 0 31 2 *", run: x } }\n')).toContain('it never comes')
  expect(problem('    cron: { r: { schedule: "@daily", run: x, timeZone: Europe/Berln } }\n')).toBe('pilot.yaml:4:56: `apps.a.cron.r.timeZone` is "Europe/Berln", which is no time zone: did you mean Europe/Berlin?')
  expect(problem('    cron: { r: { schedule: "@daily", run: x, overlap: never } }\n')).toContain('`apps.a.cron.r.overlap` is "never": write skip, allow or replace')
  expect(problem('    environments: { preview: { cron: { r: { schedule: "nope", run: x } } } }\n')).toContain('`apps.a.environments.preview.cron.r.schedule`')
  expect(problem('    static: {}\n    cron: { r: { schedule: "@daily", run: x } }\n')).toContain('pilot.yaml:5:5: `apps.a.cron` is of no use to a site')
})

test('a database says when it is backed up, in a short and a long form', () => {
  const database = (written: string) => definition(`    database: ${written}\n`).database
  expect(database('postgres')).toEqual({ own: true })
  expect(database('{ type: postgres }')).toEqual({ own: true })
  expect(database('{ backup: "@daily" }')).toEqual({ own: true, backup: { schedule: '@daily', timeZone: 'UTC', keep: 7 } })
  expect(database('{ backup: { schedule: "0 3 * * *", timeZone: Europe/Berlin, keep: 30 } }')).toEqual({ own: true, backup: { schedule: '0 3 * * *', timeZone: 'Europe/Berlin', keep: 30 } })
  expect(problem('    database: { backup: "0 25 * * *" }\n')).toBe('pilot.yaml:4:25: `apps.a.database.backup` is "0 25 * * *": invalid value for hour: 25; write five cron fields such as "0 6 * * *", or @daily')
  expect(problem('    database: { backup: { schedule: "@daily", timeZone: Nowhere } }\n')).toContain('`apps.a.database.backup.timeZone` is "Nowhere", which is no time zone')
  expect(problem('    database: { backup: { schedule: "@daily", keep: 0 } }\n')).toContain('`apps.a.database.backup.keep` is 0: write a number of backups from 1 to 1000')
  expect(problem('    database: { from: b, backup: "@daily" }\n  b: { database: postgres }\n')).toContain('`apps.a.database.backup` belongs to `apps.b`, whose database it is: write it there')
  expect(problem('    database: mysql\n')).toContain('`apps.a.database` is "mysql": write postgres, true, { backup: "0 3 * * *" }, or { from: other-app }')
})
