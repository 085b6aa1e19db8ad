import { execFile } from 'node:child_process'
import { isAbsolute } from 'node:path'
import { PilotError } from '@pilot/core'

const timeoutMs = 170_000
const registrySpec = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(?:@[\w.+~^-]+)?$/i

/** What `provider add` takes: a name of the registry, or a folder or tarball of this machine by its absolute path. Throws USAGE. */
export function assertPackageSpec(spec: string): void {
  if (registrySpec.test(spec) || (isAbsolute(spec) && !spec.includes('\0'))) return
  throw new PilotError('USAGE', `"${spec}" is no package`, { suggestion: 'Write PACKAGE@VERSION, or the path of a folder or of a .tgz file.' })
}

/**
 * Installs into `folder` with the user's own npm: exact version and integrity go into its lockfile, and no script of any package runs.
 * Peers are left out, since the one that a provider has is Pilot itself, which no registry needs to have.
 */
export async function npmInstall({ folder, spec, signal }: { folder: string; spec: string; signal: AbortSignal }): Promise<void> {
  const args = ['install', '--ignore-scripts', '--save-exact', '--install-links', '--legacy-peer-deps', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--', spec]
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PILOT_')))
  const failure = await new Promise<{ error: Error & { code?: unknown }; text: string } | undefined>((done) => {
    execFile('npm', args, { cwd: folder, env, signal, timeout: timeoutMs, maxBuffer: 16 * 1024 ** 2 }, (error, _stdout, stderr) => done(error ? { error, text: stderr } : undefined))
  })
  if (!failure) return
  signal.throwIfAborted()
  const { error, text } = failure
  if (error.code === 'ENOENT') throw new PilotError('PROVIDER_UNUSABLE', 'npm is not installed, which installs providers', { suggestion: 'Install npm (it comes with Node), and see that the server finds it: `server stop`, and again.', cause: error })
  const lines = text.split('\n').map((line) => line.replace(/^npm (?:error|ERR!) ?/, '').trim()).filter((line) => line !== '' && !line.startsWith('A complete log'))
  if (/\bE404\b|\bETARGET\b|\bENOENT\b/.test(text)) throw new PilotError('NOT_FOUND', `There is no package ${spec}`, { reason: lines.find((line) => !line.startsWith('code ')) ?? 'npm found none.', suggestion: 'Check its name and version with `npm view PACKAGE versions`.', cause: error })
  throw new PilotError('PROVIDER_UNUSABLE', `${spec} could not be installed`, { reason: lines.slice(0, 3).join(' ') || error.message, cause: error })
}
