import { createHash, randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core'
import { endAll, processesMarked, type Home } from '@pilot/host'
import type { Engine } from '../engine/engine.ts'
import { orAbsent } from '../engine/errors.ts'
import { packFolder } from './pack-home.ts'

/**
 * What a build with pack has on the engine, and how it is found again when nobody is left to tidy up. pack gives its containers and volumes
 * names by chance and no mark, but mounts volumes that it is told of: an empty one of ours says whose build it is, and a container that
 * has it tells the rest. What pack makes before its first container and between two cannot be told from another's, and is left alone.
 */
export interface BuildMark {
  readonly repository: string
  /** Of this build alone, and what its volume and its network are called. */
  readonly id: string
  readonly name: string
  /** Of the app, for all its builds. */
  readonly caches: { readonly build: string; readonly launch: string }
  /** The source is unpacked to `source` in it, and `tmp` is where pack puts what it needs for a while. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

const markLabel = 'pilot.build'
const ofLabel = 'pilot.build-of'
const byLabel = 'pilot.build-by'
const cacheLabel = 'pilot.build-cache'

export function newMark({ home, platformId, repository }: { home: Home; platformId: string; repository: string }): BuildMark {
  return markOf({ home, platformId, repository, id: randomBytes(8).toString('hex') })
}

function markOf({ home, platformId, repository, id }: { home: Home; platformId: string; repository: string; id: string }): BuildMark {
  const cache = `pilot-cache-${repository.replaceAll('/', '-').slice(0, 60)}-${createHash('sha256').update(repository).digest('hex').slice(0, 8)}`
  return { repository, id, name: `pilot-build-${id}`, caches: { build: `${cache}-build`, launch: `${cache}-launch` }, folder: join(packFolder(home), 'builds', id), env: { PILOT_BUILD_MARK: `${platformId}/pack/${id}/` } }
}

/** Before anything of the build is made. */
export async function makeMark({ docker }: Engine, { platformId, mark: { repository, name, caches } }: { platformId: string; mark: BuildMark }): Promise<void> {
  for (const cache of Object.values(caches)) await docker.createVolume({ Name: cache, Labels: { [cacheLabel]: repository } })
  const marks = { [markLabel]: platformId, [ofLabel]: repository, [byLabel]: JSON.stringify(processIdentity(process.pid)) }
  await docker.createVolume({ Name: name, Labels: marks })
  // pack would make one by chance too, and leaves that behind when it is cancelled.
  await docker.createNetwork({ Name: name, Driver: 'bridge', Labels: marks })
}

/** Of builds whose program was killed. */
export async function endAbandonedBuilds(engine: Engine, { home, platformId }: { home: Home; platformId: string }): Promise<void> {
  const { Volumes } = await engine.docker.listVolumes({ filters: { label: [`${markLabel}=${platformId}`] } })
  for (const { Name, Labels } of Volumes ?? []) {
    const { [byLabel]: by, [ofLabel]: repository } = (Labels ?? {}) as Partial<Record<string, string>>
    if (by === undefined || repository === undefined || isProcessAlive(JSON.parse(by) as ProcessIdentity)) continue
    await endBuild(engine, markOf({ home, platformId, repository, id: Name.replace('pilot-build-', '') }), { isAlone: false })
  }
}

/** All that is left of a build goes. `isAlone`: no other build of the app can be on, so what has its caches is of this one. */
export async function endBuild({ docker }: Engine, { id, name, caches, folder, env }: BuildMark, { isAlone }: { isAlone: boolean }): Promise<void> {
  await endAll(() => processesMarked(`PILOT_BUILD_MARK=${env['PILOT_BUILD_MARK']}`))
  const found = await docker.listContainers({ all: true, filters: { volume: [name, ...(isAlone ? Object.values(caches) : [])] } })
  for (const { Id } of found) {
    const container = docker.getContainer(Id)
    const inspected = await orAbsent(container.inspect())
    await orAbsent(container.remove({ force: true })).catch(() => {})
    if (inspected) await removeWhatItHad(docker, inspected)
  }
  await orAbsent(docker.getNetwork(name).remove()).catch(() => {})
  // Some of pack's volumes are named after the image that it makes, and so after the build.
  const { Volumes } = await docker.listVolumes({ filters: { name: [id] } })
  for (const { Name } of Volumes ?? []) await docker.getVolume(Name).remove().catch(() => {})
  await rm(folder, { recursive: true, force: true })
}

type Inspected = Awaited<ReturnType<ReturnType<Engine['docker']['getContainer']>['inspect']>>

async function removeWhatItHad(docker: Engine['docker'], { Mounts, Config: { Image } }: Inspected): Promise<void> {
  for (const { Name } of Mounts) if (Name && /^pack-(?:layers|app)-/.test(Name)) await docker.getVolume(Name).remove().catch(() => {})
  if (Image.startsWith('pack.local/builder/')) await docker.getImage(Image).remove({ force: true }).catch(() => {})
}

/** What builds of an app have kept, once nothing that was built of it is left. A build that runs keeps what it has. */
export async function forgetBuildCaches({ docker }: Engine, repository: string): Promise<void> {
  const images = await docker.listImages({ filters: { reference: [repository] } })
  if (images.length > 0) return
  const { Volumes } = await docker.listVolumes({ filters: { label: [`${cacheLabel}=${repository}`] } })
  for (const { Name } of Volumes ?? []) await docker.getVolume(Name).remove().catch(() => {})
}
