import { execFile, execFileSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { folderOf, shopManifest, type Folder } from '../../testing/folder.ts'
import { runCommand } from '../../testing/run-command.ts'
import { nodeArguments } from '../../testing/spawn-pilot.ts'
import { shells } from './scripts.ts'

const closing: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of closing.splice(0)) await each[Symbol.asyncDispose]()
})

const answers: Parameters<typeof startFakeServer>[0] = {
  status: () => ({ ...emptyStatus, apps: [appView({ app: 'mailer', project: 'post' }), appView({ app: 'api', project: 'shop' }), appView({ app: '$(rm x)', project: 'evil' })] }),
  platforms: () => ({ platforms: [{ name: 'local' }, { name: 'lab' }] }) as never,
  deployments: ({ params }) => ({ deployments: params.app === 'api' ? [{ number: 12 }, { number: 11 }] : [] }) as never,
}
async function fake(): Promise<FakeServer> {
  const server = await startFakeServer(answers)
  closing.push(server)
  return server
}
async function shop(): Promise<Folder> {
  const folder = await folderOf({ 'pilot.yaml': shopManifest })
  closing.push(folder)
  return folder
}
const complete = async (words: readonly string[], { home = '/nowhere', cwd = '/' } = {}) => {
  const { exit, stdout, stderr } = await runCommand(['__complete', ...words], { cwd, env: { PILOT_HOME: home } })
  expect([exit, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter(Boolean).map((line) => line.split('\t')[0])
}

describe('completes', () => {
  test('the names of commands, of one word and of two, with their summaries', async () => {
    expect(await complete(['st'])).toEqual(['status', 'stop', 'start', 'state'])
    expect(await complete(['secret', ''])).toEqual(['list', 'set', 'unset'])
    expect(await complete(['-C', 'web', 'server', 'st'])).toEqual(expect.arrayContaining(['status', 'stop']))
    expect((await runCommand(['__complete', 'rollb'])).stdout).toBe('rollback\tRelease an earlier deployment again\n')
    expect(await complete(['nonsense', ''])).toEqual([])
  })

  test('the options of the command, and those that all share', async () => {
    expect(await complete(['up', '--re'])).toEqual([])
    expect(await complete(['up', '--pl'])).toEqual(['--plan', '--platform'])
    expect(await complete(['--js'])).toEqual(['--json'])
    expect(await complete(['completion', ''])).toEqual(['bash', 'zsh', 'fish'])
  })

  test('apps and environments of the manifest, also where no server runs', async () => {
    const { path: cwd } = await shop()
    expect(await complete(['logs', ''], { cwd })).toEqual(['api', 'web'])
    expect(await complete(['status', '-e', 'pre'], { cwd })).toEqual(['preview'])
    expect(await complete(['-C', cwd, 'logs', '-a', 'w'])).toEqual(['web'])
  })

  test('what the running server knows, without names that a shell would run', async () => {
    const { home } = await fake()
    expect(await complete(['logs', ''], { home })).toEqual(['mailer', 'api'])
    expect(await complete(['status', '-p', 'post', '--app', ''], { home })).toContain('mailer')
    expect(await complete(['status', '--platform', 'l'], { home })).toEqual(['local', 'lab'])
    const { path: cwd } = await shop()
    expect(await complete(['rollback', 'api', ''], { home, cwd })).toEqual(['v12', 'v11'])
    expect(await complete(['release', 'api', 'v12', ''], { home, cwd })).toEqual([])
  })

  test('what may stand in the place of an app that is left out', async () => {
    const { home } = await fake()
    const alone = await folderOf({ 'pilot.yaml': 'project: shop\napps:\n  api: { source: . }\n' })
    closing.push(alone)
    expect(await complete(['rollback', ''], { home, cwd: alone.path })).toEqual(['api', 'v12', 'v11'])
    expect(await complete(['rollback', 'v'], { home, cwd: alone.path })).toEqual(['v12', 'v11'])
    expect(await complete(['env', 'import', ''], { home, cwd: alone.path })).toEqual(['api'])
    expect(await complete(['env', 'import', '.en'], { home, cwd: alone.path })).toEqual([':files'])
    const { path: cwd } = await shop()
    expect(await complete(['rollback', ''], { home, cwd })).toEqual(['api', 'web'])
  })

  test('folders and files by the shell itself', async () => {
    expect(await complete(['up', ''])).toEqual([':folders'])
    expect(await complete(['secret', 'set', 'KEY', '--from-file', ''])).toEqual([':files'])
  })

  test('nothing, soon and without a word, when nobody answers', async () => {
    const started = performance.now()
    expect(await complete(['status', '--platform', ''])).toEqual([])
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

test('a shell that is not known is an error that names those that are', async () => {
  expect(await runCommand(['completion', 'tcsh'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('bash, zsh, fish') })
})

describe('in a real shell', () => {
  let bin: Folder
  beforeAll(async () => {
    bin = await folderOf({ pilot: `#!/bin/sh\nexec '${process.execPath}' ${nodeArguments.map((each) => `'${each}'`).join(' ')} "$@"\n` })
    await chmod(join(bin.path, 'pilot'), 0o755)
    return () => bin[Symbol.asyncDispose]()
  })

  const inShell = async (shell: string, args: readonly string[], env: Record<string, string> = {}) =>
    (await promisify(execFile)(shell, args, { cwd: bin.path, env: { PATH: `${bin.path}:${process.env['PATH']}`, HOME: bin.path, LANG: 'C.UTF-8', PILOT_HOME: join(bin.path, 'none'), TERM: 'dumb', ...env } })).stdout.split('\n').filter(Boolean)
  const has = (shell: string): boolean => {
    try {
      execFileSync(shell, ['-c', 'true'])
      return true
    } catch {
      return false
    }
  }

  test.for(shells)('%s reads the script', async (shell, { skip }) => {
    skip(!has(shell), `${shell} is not installed`)
    const script = join(bin.path, `completion.${shell}`)
    await writeFile(script, (await runCommand(['completion', shell])).stdout)
    await inShell(shell, ['-n', script])
  })

  test('bash offers commands, options and apps', async ({ skip }) => {
    skip(!has('bash'), 'bash is not installed')
    const folder = await shop()
    const offer = (...words: string[]) => inShell('bash', ['--norc', '-c', `eval "$(pilot completion bash)"; cd '${folder.path}'; COMP_WORDS=(pilot "$@"); COMP_CWORD=$#; _pilot; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', ...words])
    expect(await offer('rollb')).toEqual(['rollback'])
    expect(await offer('logs', '')).toEqual(['api', 'web'])
    expect(await offer('up', '--pl')).toEqual(['--plan', '--platform'])
  })

  test('fish offers commands, options and apps, with what they are', async ({ skip }) => {
    skip(!has('fish'), 'fish is not installed')
    const folder = await shop()
    const offer = (line: string) => inShell('fish', ['--no-config', '-c', `pilot completion fish | source; cd '${folder.path}'; complete -C '${line}'`])
    expect(await offer('pilot rollb')).toEqual(['rollback\tRelease an earlier deployment again'])
    expect(await offer('pilot logs ')).toEqual(['api', 'web'])
    expect(await offer('pilot up --pl')).toEqual([expect.stringMatching(/^--plan\t/), expect.stringMatching(/^--platform\t/)])
  })

  test('zsh offers commands and apps', async ({ skip }) => {
    skip(!has('zsh'), 'zsh is not installed')
    const folder = await shop()
    // What would be shown is caught where zsh is given it.
    const offer = (...words: string[]) => inShell('zsh', ['-f', '-c', `compdef() { }; _describe() { print -rl -- "\${(@P)2}" }; source <(pilot completion zsh); cd '${folder.path}'; words=(pilot "$@"); CURRENT=\${#words}; _pilot`, 'zsh', ...words])
    expect(await offer('rollb')).toEqual(['rollback:Release an earlier deployment again'])
    expect(await offer('logs', '')).toEqual(['api', 'web'])
  })
})
