import { execFile } from 'node:child_process'
import { contractVersion, PilotError } from '@pilot/core'
import type { InstalledProvider } from './installed.ts'

const timeoutMs = 30_000

/** What a provider turned out to be when its code ran once, in a process of its own. */
interface Seen {
  readonly error?: string
  readonly name?: unknown
  readonly title?: unknown
  readonly contract?: unknown
  readonly functions?: readonly string[]
  readonly hasSettings?: boolean
  /** Of its kinds; absent where it does not connect without settings. */
  readonly permissions?: readonly string[]
}

/**
 * Imports the provider apart from the server and looks at its shape. Where its settings have defaults it is connected too, which
 * creates nothing, for the permissions that its kinds name. Throws PROVIDER_UNUSABLE with what is wrong.
 */
export async function inspectProvider({ folder, installed, signal }: { folder: string; installed: InstalledProvider; signal: AbortSignal }): Promise<{ readonly permissions?: readonly string[] }> {
  const { permissions, ...seen } = await look({ folder, packageName: installed.package, signal })
  const wrong = whatIsWrong(seen, installed)
  if (wrong !== undefined) throw new PilotError('PROVIDER_UNUSABLE', `${installed.package}@${installed.version} is not a provider that works here`, { reason: wrong, suggestion: 'Choose another version of it, or tell its makers: docs/writing-a-provider.md has the contract.' })
  return permissions === undefined ? {} : { permissions }
}

function whatIsWrong({ error, name, title, contract, functions = [], hasSettings }: Seen, installed: InstalledProvider): string | undefined {
  if (error !== undefined) return error
  if (name !== installed.name) return `Its default export is not the provider ${installed.name}.`
  if (contract !== contractVersion) return `Its code speaks version ${String(contract)} of the contract; this Pilot speaks ${contractVersion}.`
  const lacks = [...(typeof title === 'string' && title !== '' ? [] : ['a title']), ...['check', 'connect'].filter((each) => !functions.includes(each)).map((each) => `the function ${each}`), ...(hasSettings ? [] : ['settings as a zod schema'])]
  return lacks.length === 0 ? undefined : `It lacks ${lacks.join(', ')}.`
}

function look({ folder, packageName, signal }: { folder: string; packageName: string; signal: AbortSignal }): Promise<Seen> {
  const args = [...conditions(process.execArgv), '--input-type=module', '-e', program, folder, packageName]
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PILOT_')))
  return new Promise((done, fail) => {
    const child = execFile(process.execPath, args, { cwd: folder, env, signal, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 4 * 1024 ** 2 }, (_error, stdout, stderr) => {
      if (signal.aborted) return fail(signal.reason as Error)
      const line = stdout.split('\n').findLast((each) => each.startsWith(mark))
      if (line !== undefined) return done(JSON.parse(line.slice(mark.length)) as Seen)
      done({ error: `It does not load: ${stderr.trim().split('\n').find((each) => /Error/.test(each)) ?? 'it ended without a word'}` })
    })
    child.stdin?.end()
  })
}

/** What decides whether packages of a workspace are found as sources: `--conditions=x` or `--conditions x`. */
const conditions = (argv: readonly string[]): readonly string[] => argv.flatMap((argument, index) => (argument.startsWith('--conditions=') ? [argument] : argument === '--conditions' || argument === '-C' ? [`--conditions=${argv[index + 1]}`] : []))

const mark = 'pilot-provider '

/** Runs in the other process: with what the package finds from where it lies. It ends although the package may leave something open. */
const program = `
import { createRequire } from 'node:module'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
const [folder, name] = process.argv.slice(1)
const say = (seen) => process.stdout.write('${mark}' + JSON.stringify(seen) + '\\n', () => process.exit(0))
try {
  const entry = createRequire(join(folder, 'node_modules', 'pilot.cjs')).resolve(name)
  const { default: provider } = await import(pathToFileURL(entry).href)
  if (typeof provider !== 'object' || provider === null) say({ error: 'It has no default export.' })
  else {
    const seen = { name: provider.name, title: provider.title, contract: provider.contract, functions: ['check', 'connect'].filter((key) => typeof provider[key] === 'function'), hasSettings: typeof provider.settings?.safeParse === 'function' }
    const home = mkdtempSync(join(tmpdir(), 'pilot-provider-'))
    try {
      const settings = provider.settings.safeParse({})
      if (settings.success) {
        const none = async () => { throw new Error('there are no secrets yet') }
        const secrets = { name: 'none', put: none, ensure: none, get: none, list: async () => [], remove: none, purge: none, fingerprint: none }
        const { kinds, close } = await provider.connect({ platformId: '0'.repeat(32), platformName: 'none', settings: settings.data, home, secrets })
        seen.permissions = [...new Set(kinds.flatMap(({ permissions }) => permissions ?? []))]
        await close?.()
      }
    } catch {
      // It wants to be configured first.
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
    say(seen)
  }
} catch (error) {
  say({ error: 'It does not load: ' + (error?.message ?? error) })
}
`
