import { existsSync } from 'node:fs'
import * as z from 'zod'
import { findEngine, isEngineInstalled } from './engine/find-engine.ts'

/** What `setup local` asks and `--runtime` sets; recorded then, changed by another setup only while no app is deployed. */
export const settings = z.object({
  runtime: z
    .enum(['docker', 'process'])
    .default(usualRuntime)
    .describe('How apps run: in containers (needs a Docker engine on this machine), or as plain processes, which are not isolated from each other'),
})

export const changeable = ['runtime'] as const satisfies readonly (keyof Settings)[]

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
