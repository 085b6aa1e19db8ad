import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** What writes to the streams of the terminal itself, and why it may. */
const borders: Readonly<Record<string, string>> = {
  'cli/output.ts': 'the border',
  'cli/progress/renderer.ts': 'through printable',
  'cli/progress/live.ts': 'through printable; its own cursor moves around it',
  'cli/command-streams.ts': 'raw to a terminal that the command was given and to pipes, else through printable',
  'cli/main.ts': 'help and version, made of our own texts',
  'cli/completion/complete.ts': 'words of harmless letters only',
  'cli/sql/prompt.ts': 'two texts of our own',
  'cli/run-process.ts': 'writes nothing, to know when all is written',
  'bin/pilot.ts': 'the version',
}

test('everything that is printed passes the border', () => {
  const source = join(import.meta.dirname, '..')
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$|^(testing|docs)\//.test(file))
  const writing = files.filter((file) => /\b(?:stdout|stderr|stream|terminal\[\w+\])\.write\(|\bconsole\.\w+\(/.test(readFileSync(join(source, file), 'utf8'))).map((file) => relative('.', file))
  expect(files.length).toBeGreaterThan(100)
  expect(writing.toSorted()).toEqual(Object.keys(borders).toSorted())
})
