import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openHome, removeHome } from '@pilot/host'

/** The product from outside: the command with a home of its own, as a user would type it. */
export interface Pilot extends AsyncDisposable {
  readonly home: string
  /** A folder for the test's own files; gone at the end. */
  readonly folder: string
  run(words: readonly string[], options?: RunOptions): Promise<Ran>
  /** Starts it and leaves it to the test, with its output as pipes. */
  start(words: readonly string[]): ChildProcess
  /** Runs and expects exit code 0; throws with all output otherwise. */
  ok(words: readonly string[], options?: RunOptions): Promise<Ran>
  /** A copy of an example, so that a test may change it. */
  example(name: string): Promise<string>
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The last line of stdout. */
  readonly last: string
  json<T>(): T
}

export const root = resolve(import.meta.dirname, '../..')
export const program = ['--conditions=@pilot/source', '--disable-warning=ExperimentalWarning', join(root, 'packages/tui/src/bin/pilot.ts')]

/** `env`: in the environment of every command, and so of what the first one starts. `through`: a command that runs each of them. */
export async function openPilot({ env: always = {}, through = [] }: { env?: Readonly<Record<string, string>>; through?: readonly string[] } = {}): Promise<Pilot> {
  const folder = await mkdtemp(join(tmpdir(), 'pilot-e2e-'))
  const home = join(folder, 'home')
  const environment = (env: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({ ...withoutNpm(process.env), PILOT_HOME: home, NO_COLOR: '1', ...always, ...env })

  function run(words: readonly string[], { cwd = folder, input, env = {} }: RunOptions = {}): Promise<Ran> {
    return new Promise((done) => {
      const [command, ...args] = [...through, process.execPath, ...program, ...words]
      const child = execFile(
        command!,
        args,
        { cwd, env: environment(env), maxBuffer: 64 << 20 },
        (error, stdout, stderr) => done(ran({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr })),
      )
      child.stdin?.end(input)
    })
  }

  async function ok(words: readonly string[], options?: RunOptions): Promise<Ran> {
    const result = await run(words, options)
    if (result.code !== 0) throw new Error(`pilot ${words.join(' ')} ended with ${result.code}\n${result.stdout}\n${result.stderr}`)
    return result
  }

  return {
    home,
    folder,
    run,
    start: (words) => spawn(through[0] ?? process.execPath, [...through.slice(1), ...(through.length === 0 ? [] : [process.execPath]), ...program, ...words], { cwd: folder, env: environment({}), stdio: ['ignore', 'pipe', 'pipe'] }),
    ok,
    async example(name) {
      const copy = join(folder, name)
      await cp(join(root, 'examples', name), copy, { recursive: true, filter: (path) => !path.includes('node_modules') })
      return copy
    },
    async [Symbol.asyncDispose]() {
      const destroyed = await run(['destroy', '--platform', 'local', '--yes', '--delete-data'])
      await run(['server', 'stop', '--all', '--yes'])
      await removeWhole(home)
      await rm(folder, { recursive: true, force: true })
      if (destroyed.code !== 0 && destroyed.code !== 2) throw new Error(`Something may be left behind:\n${destroyed.stderr}`)
    },
  }
}

/** What a home of root has outside of its folder goes too: what other users must reach. */
export async function removeWhole(home: string): Promise<void> {
  if (existsSync(join(home, 'home.json'))) await removeHome(await openHome(home))
}

/** Answers of an app that may only just have been released. */
export async function get(url: string, path = '/', init?: RequestInit): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(new URL(path, url), init)
  return { status: response.status, text: await response.text() }
}

function ran({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): Ran {
  return { code, stdout, stderr, last: stdout.trimEnd().split('\n').at(-1) ?? '', json: <T>() => JSON.parse(stdout) as T }
}

/** The test runner may itself be started by npm, which tells commands where they were started. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(npm_|INIT_CWD$|PILOT_|CI$|VITEST|FORCE_COLOR$)/i.test(name)))
}
