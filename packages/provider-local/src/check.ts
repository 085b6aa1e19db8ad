import { toPilotError, type CheckContext, type Finding } from '@pilot/core'
import { findBuildx } from './builders/buildx.ts'
import { openEngine } from './engine/engine.ts'
import { findEngine } from './engine/find-engine.ts'
import type { Settings } from './settings.ts'

/** What is on this machine and what is missing. Changes nothing. */
export async function check({ settings }: CheckContext<Settings>): Promise<readonly Finding[]> {
  return settings?.runtime === 'process' ? [] : engineFindings()
}

async function engineFindings(): Promise<readonly Finding[]> {
  try {
    const address = findEngine()
    const { version, apiVersion } = await openEngine(address)
    return [{ id: 'docker.engine', status: 'ok', title: `Docker engine ${version} (API ${apiVersion}), found by ${address.via}` }, await buildxFinding()]
  } catch (thrown) {
    const error = toPilotError(thrown)
    return [{ id: 'docker.engine', status: 'problem', title: error.message, fix: error.suggestion }]
  }
}

async function buildxFinding(): Promise<Finding> {
  return (await findBuildx())
    ? { id: 'docker.buildx', status: 'ok', title: 'docker buildx builds images' }
    : { id: 'docker.buildx', status: 'warning', title: "Without buildx, images are built by the engine's own builder, which lacks secret mounts, cache mounts and here-documents", fix: 'Install buildx (Debian: `apt install docker-buildx`).' }
}
