import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { Environment } from '../terminal.ts'
import type { TrustFacts, TrustStep } from './steps.ts'

/** What of this machine decides how an authority is trusted. */
export function trustFacts({ env, certificate, sha256 }: { env: Environment; certificate: string; sha256: string }): TrustFacts {
  const userFolder = env['HOME'] || homedir()
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return {
    platform: process.platform,
    has: (program) => folders.some((folder) => folder !== '' && existsSync(join(folder, program))),
    userFolder,
    stores: storesOf(userFolder),
    certificate,
    name: `pilot-${sha256.replaceAll(':', '').slice(0, 12).toLowerCase()}`,
  }
}

function storesOf(userFolder: string): readonly string[] {
  const profiles = ['.mozilla/firefox', 'snap/firefox/common/.mozilla/firefox', 'Library/Application Support/Firefox/Profiles'].flatMap((folder) => namesIn(join(userFolder, folder)).map((name) => join(userFolder, folder, name)))
  return [join(userFolder, '.pki/nssdb'), join(userFolder, 'snap/chromium/current/.pki/nssdb'), ...profiles].filter((folder) => existsSync(join(folder, 'cert9.db')))
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

export type Outcome = { readonly step: TrustStep; readonly state: 'done' | 'was so' | 'needs root' } | { readonly step: TrustStep; readonly state: 'failed'; readonly why: string }

/** Does the steps that this user may do, each to its end whatever becomes of the others. */
export async function takeSteps(steps: readonly TrustStep[], { certificate, undo, isRoot, env }: { certificate: string; undo: boolean; isRoot: boolean; env: Environment }): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const step of steps) outcomes.push(isSo(step, { certificate, undo }) ? { step, state: 'was so' } : step.needsRoot && !isRoot ? { step, state: 'needs root' } : await take(step, { undo, env }))
  return outcomes
}

async function take(step: TrustStep, { undo, env }: { undo: boolean; env: Environment }): Promise<Outcome> {
  const path = [env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(delimiter)
  for (const [program = '', ...args] of step.commands) {
    try {
      await promisify(execFile)(program, args, { timeout: 60_000, env: { ...env, PATH: path } })
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message
      // What is not in a store need not be taken out of it.
      if (undo && program === 'certutil') return { step, state: 'was so' }
      return { step, state: 'failed', why: said }
    }
  }
  return { step, state: 'done' }
}

/** Somebody with the rights may have typed it meanwhile. */
function isSo({ file }: TrustStep, { certificate, undo }: { certificate: string; undo: boolean }): boolean {
  if (file === undefined) return false
  if (undo) return !existsSync(file)
  try {
    return readFileSync(file, 'utf8') === readFileSync(certificate, 'utf8')
  } catch {
    return false
  }
}
