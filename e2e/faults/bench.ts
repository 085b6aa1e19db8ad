import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { footprint, type Footprint } from '../driver/footprint.ts'
import { get, openPilot, type Pilot, type Ran, type RunOptions } from '../driver/pilot.ts'

/** A home in which one fault after the other is tried, each on an app that is live. */
export interface Bench extends AsyncDisposable {
  readonly pilot: Pilot
  /** An app of its own, that is live. */
  live(name: string, options?: LiveOptions): Promise<LiveApp>
  /** What is there now is what there should be: after an app was taken away on purpose. */
  settle(): Promise<void>
}

interface LiveOptions {
  /** Instead of those of a small Node app, which answers with its version. */
  readonly files?: Files
  readonly manifest?: string
}

type Files = Readonly<Record<string, string | Buffer>>

export interface LiveApp {
  readonly name: string
  readonly dir: string
  readonly url: string
  run(words: readonly string[], options?: RunOptions): Promise<Ran>
  write(files: Files): Promise<void>
  /** Puts files in; what comes back takes them out again. */
  change(files: Files): Promise<() => Promise<void>>
  /** What answers through the edge. */
  answer(): Promise<string>
  /** Changes the app so that it has something to release, and is as it was otherwise. */
  nextVersion(): Promise<string>
  /** Puts it in, says what must come of it, mends it: the whole of what a fault may do. */
  fault(fault: Fault): Promise<Told>
  /** After a fault: what ran goes on answering, the next `up` works, and nothing is left that nobody owns. */
  recovers(): Promise<void>
}

export interface Fault {
  readonly files?: Files
  /** What files cannot say. Returns how it is taken back. */
  readonly inject?: (app: LiveApp) => Promise<(() => unknown) | void>
  /** Default `up`. */
  readonly words?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly code: string
  readonly exit: number
  /** In message, reason and suggestion together. */
  readonly says: readonly (string | RegExp)[]
  /** Once more, as a person reads it. */
  readonly person?: boolean
  /** It ends in the command, before the server hears of it: the next `up` may be tried later, for several at once. */
  readonly early?: boolean
}

export interface Told {
  readonly code: string
  readonly message: string
  readonly reason?: string
  readonly suggestion: string
  readonly details?: Readonly<Record<string, unknown>>
  /** As a person reads it. */
  readonly shown: string
}

const server = `require('http').createServer((_, response) => response.end(require('fs').readFileSync('version.txt', 'utf8'))).listen(process.env.PORT)\n`
const small: Files = { 'package.json': '{ "name": "app", "version": "1.0.0", "scripts": { "start": "node server.js" } }\n', 'server.js': server, 'version.txt': '1' }
/** The same in a container. */
export const container: Files = { Dockerfile: 'FROM node:24-slim\nCOPY . .\nEXPOSE 8080\nCMD ["node", "server.js"]\n', 'server.js': server, 'version.txt': '1' }

export async function openBench({ runtime }: { readonly runtime: 'process' | 'docker' }): Promise<Bench> {
  const pilot = await openPilot()
  await pilot.ok(['setup', 'local', '--runtime', runtime, '--yes'])
  const owned: Owned = { footprint: {} }
  return {
    pilot,
    async live(name, { files = runtime === 'docker' ? container : small, manifest = `project: ${name}\napps:\n  web: { health: { path: /, grace: 10s } }\n` } = {}) {
      const dir = join(pilot.folder, name)
      await writeAll(dir, { ...files, 'pilot.yaml': manifest })
      const { last } = await pilot.ok(['up'], { cwd: dir })
      owned.footprint = await footprint(pilot)
      return liveApp(pilot, { name, dir, url: last, owned })
    },
    settle: async () => void (owned.footprint = await footprint(pilot)),
    [Symbol.asyncDispose]: () => pilot[Symbol.asyncDispose](),
  }
}

/** What there is while all apps of the bench are live and nothing else happens. */
interface Owned {
  footprint: Footprint
}

function liveApp(pilot: Pilot, { name, dir, url, owned }: { name: string; dir: string; url: string; owned: Owned }): LiveApp {
  let version = 1
  const run = (words: readonly string[], options: RunOptions = {}) => pilot.run(words, { cwd: dir, ...options })
  const app: LiveApp = {
    name,
    dir,
    url,
    run,
    write: (files) => writeAll(dir, files),
    async change(files) {
      const old = await Promise.all(Object.keys(files).map(async (path) => [path, await readFile(join(dir, path)).catch(() => undefined)] as const))
      await writeAll(dir, files)
      return async () => {
        for (const [path, content] of old) await (content === undefined ? rm(join(dir, path), { recursive: true, force: true }) : writeFile(join(dir, path), content))
      }
    },
    answer: async () => (await get(url)).text,
    async nextVersion() {
      await writeFile(join(dir, 'version.txt'), String(++version))
      return String(version)
    },

    async fault({ files = {}, inject, words = ['up'], env = {}, code, exit, says, person = false, early = false }) {
      const running = await app.answer()
      const old = await app.change(files)
      const takeBack = await inject?.(app)
      const ended = await run([...words, '--json'], { env })
      const told = outcome(ended)
      expect({ exit: ended.code, code: told.code, stderr: ended.stderr }, `${ended.stdout}\n${ended.stderr}`).toEqual({ exit, code, stderr: '' })
      const all = [told.message, told.reason ?? '', told.suggestion].join('\n')
      for (const part of says) expect(all).toMatch(part)
      expect(told.suggestion).not.toBe('')
      const shown = person ? await run(words, { env }) : undefined
      if (shown) expect({ exit: shown.code, code: /\(([A-Z_]+)\)\s*$/.exec(shown.stderr)?.[1] }, shown.stderr).toEqual({ exit, code })
      for (const text of [ended.stdout, shown?.stderr ?? '']) expect(text).not.toMatch(/[\u0007\u001b]|^at \S+ \(?(?:file|node):/m)
      expect(await app.answer()).toBe(running)
      await takeBack?.()
      await old()
      if (!early) await app.recovers()
      return { ...told, shown: shown?.stderr ?? '' }
    },

    async recovers() {
      const expected = await app.nextVersion()
      const up = await run(['up'])
      expect({ code: up.code, url: up.last }, `${up.stdout}\n${up.stderr}`).toEqual({ code: 0, url })
      expect(await app.answer()).toBe(expected)
      await expect.poll(() => footprint(pilot), { timeout: 30_000, interval: 200 }).toEqual(owned.footprint)
    },
  }
  return app
}

/** The error that a command with `--json` ended with. */
export function outcome({ stdout, stderr }: Ran): Omit<Told, 'shown'> {
  const whole = attempt(() => JSON.parse(stdout) as { error?: Told })
  const last = whole ?? attempt(() => JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { error?: Told })
  if (last?.error === undefined) throw new Error(`No error in the last line of\n${stdout}\n${stderr}`)
  return last.error
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

async function writeAll(dir: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), content)
  }
}
