import { describe, expect, test } from 'vitest'
import type { CommandName } from './command-table.ts'
import { loadCommand } from './commands/index.ts'
import { withInvocation } from './invocation.ts'
import { locate } from './locate.ts'
import { parseCommand } from './parse.ts'
import { splitVersion } from './version-argument.ts'

const definition = async (name: CommandName) => await loadCommand[name]()
const parse = async (name: string, ...argv: string[]) => parseCommand(await definition(name as CommandName), argv)

describe('finding the command', () => {
  test.each([
    [['status'], 'status', []],
    [['-C', 'web', 'status', '--json'], 'status', ['-C', 'web', '--json']],
    [['--project', 'up', 'status'], 'status', ['--project', 'up']],
    [['--project=shop', 'env', '-e', 'preview', 'list'], 'env list', ['--project=shop', '-e', 'preview']],
    [['env', 'set', 'list=1'], 'env set', ['list=1']],
    [['help', 'env', 'set'], 'env set', ['--help']],
    [['help', 'up'], 'up', ['--help']],
  ])('in %j', (argv, name, rest) => {
    const located = locate(argv)
    expect(located.type === 'command' && [located.row.name, located.rest]).toEqual([name, rest])
  })

  test.each([
    [['envv'], 'env'],
    [['deply'], 'deploy'],
    [['stat'], 'status'],
    [['secret', 'st'], 'secret set'],
    [['frobnicate'], undefined],
  ])('%j is unknown; near is %s', (argv, near) => {
    const located = locate(argv)
    expect(located.type === 'unknown' && located.near).toBe(near)
  })

  test('nothing, --help and --version', () => {
    expect([locate([]), locate(['--help']), locate(['-V']), locate(['env', '--help'])].map(({ type }) => type)).toEqual(['root', 'root', 'version', 'family'])
  })
})

describe('parsing', () => {
  test('shared options are understood everywhere', async () => {
    const { globals, input } = await parse('stop', 'api', '-p', 'shop', '-e', 'preview', '--platform', 'local', '-q', '--yes')
    expect(globals).toEqual({ project: 'shop', environment: 'preview', platform: 'local', json: false, quiet: true })
    expect(input).toMatchObject({ args: ['api'], options: { yes: true } })
  })

  test('up knows whether a database was wished, refused or not spoken of', async () => {
    expect([(await parse('up')).input.options['db'], (await parse('up', '--db')).input.options['db'], (await parse('up', '--no-db')).input.options['db']]).toEqual([undefined, true, false])
    expect([(await parse('up')).input.options['release'], (await parse('up', '--no-release')).input.options['release']]).toEqual([true, false])
  })

  test('destroy tells the project of an app from the project that goes', async () => {
    expect((await parse('destroy', 'api', '-p', 'shop')).input.options).toMatchObject({ p: 'shop' })
    expect((await parse('destroy', '--project')).input.options).toMatchObject({ project: true })
    expect((await parse('destroy', '--project', 'shop')).input.options).toMatchObject({ project: 'shop' })
  })

  test.each([
    ['up', ['--plann'], "Unknown option '--plann'; did you mean `--plan`?"],
    ['up', ['a', 'b'], 'up takes at most one argument, not 2: a b'],
    ['doctor', ['x'], 'doctor takes no argument, and x is one.'],
    ['secret set', [], 'secret set wants <KEY>.'],
    ['setup', ['local', '--runtime', 'podman'], "Option '--runtime <runtime>' argument 'podman' is invalid. Allowed choices are docker, process."],
    ['logs', ['-n'], "Option '-n, --lines <count>' argument missing"],
  ])('%s %j is usage: %s', async (name, argv, message) => {
    await expect(parse(name, ...argv)).rejects.toMatchObject({ code: 'USAGE', message })
  })
})

test('a version may stand before or after the app', () => {
  expect([[], ['v12'], ['api'], ['api', '12'], ['v3', 'api']].map(splitVersion)).toEqual([
    { app: undefined, version: undefined },
    { app: undefined, version: 12 },
    { app: 'api', version: undefined },
    { app: 'api', version: 12 },
    { app: 'api', version: 3 },
  ])
  expect(() => splitVersion(['v1', 'v2'])).toThrow('One app and one version at most')
})

test.each([
  ['Run `secret set KEY`.', 'Run `npm start -- secret set KEY`.'],
  ['`base64 FILE | pilot secret set KEY`', '`base64 FILE | npm start -s -- secret set KEY`'],
  ['See `server logs`; `server stop` stops it.', 'See `npm start -- server logs`; `npm start -- server stop` stops it.'],
  ['Use the `pilot` command.', 'Use the `npm start --` command.'],
  ['`pilot up DIR`, or `up`', '`npm start -- up DIR`, or `npm start -- up`'],
  ['Install it: `apt install docker.io`', 'Install it: `apt install docker.io`'],
  ['Add `--trust` or write `build:` in `pilot.yaml`', 'Add `--trust` or write `build:` in `pilot.yaml`'],
  ['`systemctl start docker`', '`systemctl start docker`'],
])('suggested commands take the form of the user: %s', (given, expected) => {
  expect(withInvocation(given, 'npm start --')).toBe(expected)
})
