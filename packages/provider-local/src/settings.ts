import { existsSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import * as z from 'zod'
import type { IssuerSpec } from './certificates/files.ts'
import { findEngine, isEngineInstalled } from './engine/find-engine.ts'

/** What `setup local` asks and `--runtime` sets; recorded then, changed by another setup only while no app is deployed. */
export const settings = z.object({
  runtime: z
    .enum(['docker', 'process'])
    .default(usualRuntime)
    .describe('How apps run: in containers (needs a Docker engine on this machine), or as plain processes, which are not isolated from each other'),
  acme: z
    .union([z.enum(['letsencrypt', 'letsencrypt-staging']), z.url({ protocol: /^https$/, error: 'must be letsencrypt, letsencrypt-staging, or the https address of an ACME directory' })])
    .optional()
    .describe('Who issues certificates for `domains:`: letsencrypt, letsencrypt-staging (for trials), or the address of another ACME directory. Naming one accepts its terms of service. Default: the certificate authority of this home'),
  acmeContact: z.email().optional().describe('The e-mail address that the ACME authority may write to'),
  acmeRoot: z.string().refine(isAbsolute, 'must be an absolute path').optional().describe('The file with the certificate that the ACME directory itself is known by, where it is not a public one'),
  https: z.enum(['domains', 'all']).optional().describe('Which apps answer over HTTPS: those with `domains:` (the default), or all, by their names below .localhost'),
})

export const changeable = ['runtime', 'acme', 'acmeContact', 'acmeRoot', 'https'] as const satisfies readonly (keyof Settings)[]

export type Settings = z.output<typeof settings>

/**
 * Containers where there is an engine, also a stopped one: then the user hears that it is stopped, and does not find apps
 * running without isolation.
 */
export function usualRuntime(): 'docker' | 'process' {
  try {
    const { url } = findEngine()
    return isEngineInstalled() || !url.startsWith('unix://') || existsSync(url.slice('unix://'.length)) ? 'docker' : 'process'
  } catch {
    return 'docker'
  }
}

const directories: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
}

/** Who issues for public names: names below .localhost are the home's own business always. */
export function issuerOf({ acme, acmeContact, acmeRoot }: Settings): IssuerSpec {
  if (acme === undefined) return { type: 'local' }
  return { type: 'acme', directory: directories[acme] ?? acme, ...(acmeContact === undefined ? {} : { contact: acmeContact }), ...(acmeRoot === undefined ? {} : { root: acmeRoot }) }
}
