import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { catalogue } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { commandsReference } from '../../docs/commands-reference.ts'
import { runCommand } from '../../testing/run-command.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { version } from '../../version.ts'
import { commandFamilies, commandTable } from '../command-table.ts'
import { withInvocation } from '../invocation.ts'
import { loadCommand } from './index.ts'

const definitions = await Promise.all(commandTable.map(async (row) => ({ row, definition: await loadCommand[row.name]() })))

describe.each(definitions)('pilot $row.name', ({ row, definition }) => {
  test('is named and summarised in the table as in its definition', () => {
    expect(definition.name).toBe(row.name)
    expect(definition.summary).toBe(row.summary)
  })

  test('shows a help with usage and an example', async () => {
    const { exit, stdout, stderr } = await runCommand([...row.name.split(' '), '--help'])
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(stdout).toContain(`Usage: pilot ${row.name}`)
    expect(stdout.split('Examples\n')[1]).toMatch(/^ {2}# .+\n {2}.*pilot /)
  })

  test('has examples that its own parser understands', async () => {
    const { parseCommand } = await import('../parse.ts')
    for (const example of definition.examples) {
      const words = (example.run.includes('pilot ') ? example.run.split('pilot ')[1]! : example.run).replace(/[")]+$/, '').split(/ [|<>] /)[0]!.split(' ')
      expect(words.slice(0, row.name.split(' ').length).join(' ')).toBe(row.name)
      expect(() => parseCommand(definition, words.slice(row.name.split(' ').length))).not.toThrow()
    }
  })

  test('writes to people in whole sentences', () => {
    const texts = [...(definition.description ?? []), ...(definition.options ?? []).map(({ summary }) => summary), ...(definition.arguments ?? []).map(({ summary }) => summary)]
    for (const text of texts) expect(text).toMatch(/[.]$/)
  })
})

test('what errors suggest to run can be run', () => {
  const others = /^(?:-|apt |docker |sudo |systemctl |RUN |build: |\w+:$)|^(?:docker|managedBy|providers)$/
  for (const [code, { suggestion }] of Object.entries(catalogue)) {
    for (const [, quoted] of suggestion.matchAll(/`([^`]+)`/g)) {
      if (!others.test(quoted!)) expect([code, quoted, withInvocation(`\`${quoted}\``, 'npm start --')]).toEqual([code, quoted, expect.stringContaining('npm start --')])
    }
  }
})

describe('root', () => {
  test('help lists every command under its group', async () => {
    const { stdout } = await runCommand(['--help'])
    for (const { name, summary } of commandTable) expect(stdout).toContain(`${name.padEnd(Math.max(...commandTable.map((row) => row.name.length)) + 2)}${summary}`)
    for (const group of ['Start', 'Ship', 'Run', 'Configure', 'Platform']) expect(stdout).toContain(`\n${group}\n`)
  })

  test('without a terminal `pilot` alone is help', async () => {
    const { exit, stdout } = await runCommand([])
    expect(exit).toBe(0)
    expect(stdout).toContain('Usage: pilot COMMAND')
  })

  test.each(commandFamilies)('%s alone is usage: exit 2, its commands on stderr', async (family) => {
    const { exit, stdout, stderr } = await runCommand([family])
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toContain(`${family} `)
  })

  test('the examples are typed in the form in which the user started', async () => {
    const { stdout } = await runCommand(['up', '--help'], { env: { PILOT_INVOKED_AS: 'npm start --' } })
    expect(stdout).toContain('  npm start -- up examples/todo --yes')
    expect(stdout).not.toContain('pilot up')
  })

  test.each([
    ['npm start --', ['up'], '  curl "$(npm start -s -- up)"'],
    ['npm start --', ['jobs'], '  npm start -s -- jobs --all --json'],
    ['npm start --', ['logs'], '  npm start -s -- logs --json | jq -r .text'],
    ['npm start --', ['open'], '  npm start -s -- open api --print'],
    ['npm start --', ['secret', 'set'], '  openssl rand -hex 32 | npm start -s -- secret set api JWT_KEY'],
    ['npm --prefix /srv/pilot start --', ['up'], '  curl "$(npm --prefix /srv/pilot start -s -- up)"'],
    ['npm start -s --', ['up'], '  curl "$(npm start -s -- up)"'],
    ['pilot', ['up'], '  curl "$(pilot up)"'],
  ])('started as %s, an example of %j whose output a program reads is free of npm\'s own lines', async (form, argv, expected) => {
    expect((await runCommand([...argv, '--help'], { env: { PILOT_INVOKED_AS: form } })).stdout).toContain(`${expected}\n`)
  })

  test.each([[['--help']], ...commandTable.map(({ name }) => [[...name.split(' '), '--help']]), ...commandFamilies.map((family) => [[family, '--help']])])('%j fits into 60 columns, but for commands that are copied', async (argv) => {
    const { exit, stdout } = await runCommand(argv, { terminal: true, columns: 60, env: { NO_COLOR: '1' } })
    expect(exit).toBe(0)
    const [text, examples = ''] = stdout.split('\nExamples\n')
    expect(text!.split('\n').filter((line) => line.length > 60 && !line.startsWith('Usage: '))).toEqual([])
    expect(examples.split('\n').filter((line) => line.length > 60 && !line.startsWith('  pilot ') && !line.includes('| pilot '))).toEqual([])
  })

  test('an unknown command says what was probably meant', async () => {
    expect(await runCommand(['relese'])).toEqual({ exit: 2, stdout: '', stderr: expect.stringContaining('Did you mean `pilot release`?') })
    expect(await runCommand(['env', 'lst'])).toEqual({ exit: 2, stdout: '', stderr: expect.stringContaining('Did you mean `pilot env list`?') })
  })

  test('version is that of the package', async () => {
    expect(version).toBe(packageJson.version)
    expect((await runCommand(['--version'])).stdout).toBe(`${version}\n`)
  })
})

test('docs/reference/commands.md is up to date', async () => {
  const file = join(import.meta.dirname, '../../../../../docs/reference/commands.md')
  expect(existsSync(file), 'run packages/tui/src/docs/generate-commands.ts').toBe(true)
  expect(await readFile(file, 'utf8')).toBe(await commandsReference())
})
