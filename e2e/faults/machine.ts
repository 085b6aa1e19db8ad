import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type TestContext } from 'vitest'
import { get, program, removeWhole } from '../driver/pilot.ts'
import { outcome, type Told } from './bench.ts'

/** A home wherever a test wants it, with one app that is live in it. What a test does to the machine stays within this home. */
export interface Machine extends AsyncDisposable {
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  run(words: readonly string[], options?: Options): Promise<Ended>
  /** Runs it, expects this error with `--json`, and what message, reason and suggestion say together. */
  fails(words: readonly string[], expected: { readonly code: string; readonly exit?: number; readonly says?: readonly (string | RegExp)[] }, options?: Options): Promise<Told>
  start(words: readonly string[], options?: Options): ChildProcess
  /** The folder of the app: it answers with what stands in its `version.txt`. */
  readonly app: string
  /** Makes the platform. */
  setup(runtime: 'process' | 'docker'): Promise<void>
  /** Releases it, with another content where one is given. */
  up(version?: string): Promise<Ended>
  answer(): Promise<string>
  /** The process of a service, with all that it started. */
  processesOf(service: string): Promise<readonly number[]>
}

export interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  readonly timeoutMs?: number
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

export interface MachineOptions {
  /** Default: in a folder of its own. */
  readonly home?: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: a process that answers, with a database. */
  readonly manifest?: string
  /** Whoever runs the commands; default: whoever runs the tests. */
  readonly uid?: number
}

const server = `const { createServer } = require('http')\nconst text = require('fs').readFileSync('version.txt', 'utf8')\ncreateServer((_, response) => response.end(text)).listen(process.env.PORT, process.env.HOST)\n`

export async function openMachine({ home, env: own = {}, manifest = 'project: fault\napps:\n  web: { source: ., target: process, database: postgres }\n', uid }: MachineOptions = {}): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'pilot-fault-'))
  const app = join(folder, 'app')
  await mkdir(app)
  for (const [name, text] of Object.entries({ 'server.js': server, 'version.txt': 'one', 'package.json': '{ "scripts": { "start": "node server.js" } }\n', 'pilot.yaml': manifest })) await writeFile(join(app, name), text)
  if (uid !== undefined) for (const path of [folder, app, ...(await readdir(app)).map((name) => join(app, name))]) await chown(path, uid, uid)
  const place = home ?? join(folder, 'home')
  const env: Record<string, string> = { ...plain(process.env), PILOT_HOME: place, NO_COLOR: '1', ...own }
  let url = ''

  const settings = ({ cwd = folder, env: more = {} }: Options) => ({ cwd, env: defined({ ...env, ...more }), ...(uid === undefined ? {} : { uid, gid: uid }) })

  function run(words: readonly string[], options: Options = {}): Promise<Ended> {
    const began = performance.now()
    return new Promise((done) => {
      const child = execFile(process.execPath, [...program, ...words], { ...settings(options), maxBuffer: 64 << 20, timeout: options.timeoutMs ?? 240_000 }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr, ms: performance.now() - began }),
      )
      child.stdin?.on('error', () => {})
      child.stdin?.end(options.input)
    })
  }

  return {
    home: place,
    env,
    app,
    run,
    async fails(words, { code, exit = 1, says = [] }, options) {
      const ended = await run([...words, '--json'], options)
      const told = outcome({ ...ended, last: '', json: () => JSON.parse(ended.stdout) as never })
      expect({ exit: ended.code, code: told.code }, `${ended.stdout}\n${ended.stderr}`).toEqual({ exit, code })
      expect(told.suggestion).not.toBe('')
      for (const part of says) expect([told.message, told.reason ?? '', told.suggestion].join('\n')).toMatch(part)
      return { ...told, shown: '' }
    },
    start: (words, options = {}) => spawn(process.execPath, [...program, ...words], { ...settings(options), stdio: ['ignore', 'pipe', 'pipe'] }),
    async setup(runtime) {
      const { code, stderr } = await run(['setup', 'local', '--runtime', runtime, '--yes'])
      expect(code, stderr).toBe(0)
    },
    async up(version) {
      if (version !== undefined) await writeFile(join(app, 'version.txt'), version)
      const ended = await run(['up', app, '--yes'])
      expect(ended.code, `${ended.stdout}\n${ended.stderr}`).toBe(0)
      url = ended.stdout.trim().split('\n').at(-1)!
      if (version !== undefined) expect((await get(url)).text).toBe(version)
      return ended
    },
    answer: async () => (await get(url)).text,
    async processesOf(service) {
      const { run: running } = JSON.parse(await readFile(join(place, 'home.json'), 'utf8')) as { run: string }
      const { process: found } = JSON.parse(await readFile(join(running, 'services', `${service}.json`), 'utf8')) as { process: { pid: number } }
      return [found.pid, ...(await childrenOf(found.pid))]
    },
    async [Symbol.asyncDispose]() {
      const destroyed = await run(['destroy', '--platform', 'local', '--yes', '--delete-data'])
      await run(['server', 'stop', '--all', '--yes'])
      if (uid === undefined) await removeWhole(place)
      await rm(folder, { recursive: true, force: true })
      if (destroyed.code !== 0 && destroyed.code !== 2) throw new Error(`Something may be left behind:\n${destroyed.stderr}`)
    },
  }
}

/** The processes of a service stand still, and go on after it. */
export function frozen(pids: readonly number[]): { thaw(): void } & Disposable {
  const all = (name: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, name)
      } catch {
        // It ended meanwhile.
      }
    }
  }
  all('SIGSTOP')
  const thaw = (): void => all('SIGCONT')
  return { thaw, [Symbol.dispose]: thaw }
}

export async function childrenOf(parent: number): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(pids.map(async (pid) => [Number(pid), Number((await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ').at(-1)?.split(' ')[1])] as const))
  return parents.filter(([, of]) => of === parent).map(([pid]) => pid)
}

/** A disk of its own: full when it is told to be, down to the last byte, without taking memory for it. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string
  /** Leaves so many bytes free; default none. */
  fill(leaving?: number): Promise<void>
  empty(): void
}

const roomy = 4 * 1024 ** 3

export async function smallDisk(context: TestContext, { options = '' }: { readonly options?: string } = {}): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'pilot-disk-'))
  const mount = (size: number, ...flags: string[]): void => void execFileSync('mount', ['-t', 'tmpfs', '-o', [...flags, `size=${size}`, 'mode=711', ...(options === '' ? [] : [options])].join(','), 'tmpfs', path], { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Error('only root mounts a disk, on Linux')
    mount(roomy)
  } catch (error) {
    await rm(path, { recursive: true })
    context.skip(`no disk of its own for the test: ${(error as Error).message.split('\n')[0]}`)
  }
  return {
    path,
    async fill(leaving = 0) {
      for (;;) {
        const { blocks, bavail, bsize } = await statfs(path)
        if (Math.abs(bavail * bsize - leaving) <= (blocks === 1 ? bsize : 0)) return
        // What is written meanwhile may not fit any more: then the next look tells.
        try {
          mount(Math.max((blocks - bavail) * bsize + leaving, bsize), 'remount')
        } catch {
          continue
        }
      }
    },
    empty: () => mount(roomy, 'remount'),
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', path])
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** Makes a home on that disk, whole: as root a part of it would lie elsewhere. */
export async function homeOn(disk: { readonly path: string }): Promise<string> {
  const { openHome } = await import('@pilot/host')
  const home = join(disk.path, 'home')
  const { paths } = await openHome(home)
  if (paths.reachable === home) return home
  const file = JSON.parse(await readFile(paths.homeFile, 'utf8')) as object
  await rm(paths.reachable, { recursive: true, force: true })
  const reachable = join(disk.path, 'reachable')
  await mkdir(reachable)
  await chmod(reachable, 0o711)
  await writeFile(paths.homeFile, JSON.stringify({ ...file, reachable }))
  return home
}

const plain = (env: NodeJS.ProcessEnv): Record<string, string> => defined(Object.fromEntries(Object.entries(env).filter(([name]) => !/^(npm_|INIT_CWD$|PILOT_|CI$|VITEST|FORCE_COLOR$|NODE_)/i.test(name))))
const defined = (env: Readonly<Record<string, string | undefined>>): Record<string, string> => Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
