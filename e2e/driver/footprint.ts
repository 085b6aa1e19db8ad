import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openHome } from '@pilot/host'
import Docker from 'dockerode'
import type { Pilot } from './pilot.ts'

/**
 * Whatever a home has on this machine. Two of them are equal when nothing was added and nothing is gone: names lose what
 * changes with each release.
 */
export type Footprint = Readonly<Record<string, readonly string[]>>

export async function footprint(pilot: Pick<Pilot, 'home'>): Promise<Footprint> {
  const { id, paths } = await openHome(pilot.home)
  const platforms = (await folder(join(pilot.home, 'platforms'))).map((name) => name.replace(/\.json$/, ''))
  return {
    services: named((await folder(paths.services)).filter((name) => name.endsWith('.json'))),
    processes: named(await processesOf({ id, home: pilot.home })),
    docker: named(await dockerOf(platforms)),
    routes: named(await folder(paths.routes)),
    builds: (await folder(join(paths.reachable, 'builds'))).filter((name) => !name.endsWith('.lock')),
    unfinished: (await folder(paths.sources)).filter((name) => name.endsWith('.tmp')),
  }
}

/** By the mark that services, builds and commands carry in their environment. */
async function processesOf({ id, home }: { readonly id: string; readonly home: string }): Promise<readonly string[]> {
  const found = await Promise.all(
    (await folder('/proc')).filter((name) => /^\d+$/.test(name)).map(async (pid) => {
      const environment = (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).split('\0')
      const mark = environment.find((entry) => entry.startsWith(`PILOT_SERVICE=${id}/`) || entry.startsWith(`PILOT_BUILD_MARK=${id}/`)) ?? environment.find((entry) => entry === `PILOT_HOME=${home}`)
      if (mark === undefined) return undefined
      const program = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()
      return `${program} ${mark.split('/').at(1) ?? mark}`
    }),
  )
  return found.filter((name) => name !== undefined)
}

async function dockerOf(platforms: readonly string[]): Promise<readonly string[]> {
  const docker = new Docker()
  const lists = platforms.map(async (platform) => {
    const filters = { label: [`pilot.platform=${platform}`] }
    const [containers, networks, volumes] = await Promise.all([docker.listContainers({ all: true, filters }), docker.listNetworks({ filters }), docker.listVolumes({ filters })])
    return [...containers.map(({ Names, State }) => `container ${Names[0]} ${State}`), ...networks.map(({ Name }) => `network ${Name}`), ...volumes.Volumes.map(({ Name }) => `volume ${Name}`)]
  })
  return (await Promise.all(lists).catch(() => [])).flat()
}

const folder = async (path: string): Promise<readonly string[]> => (await readdir(path).catch(() => [])).toSorted()
const named = (names: readonly string[]): readonly string[] => names.map((name) => name.replaceAll(/(?<=deployment-)[a-z0-9]{10}/g, '#').replaceAll(/[0-9a-f]{8,}/g, '#').replaceAll(/\bd?\d+\b/g, '#')).toSorted()
