import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Home } from '@pilot/host'

/** What the platforms of a home share for building and running processes; each is made again by whoever needs it. */
const shared = ['apps', 'artifacts', 'builds', 'build-cache', 'node', 'function']

/**
 * With the last platform of a home goes what its platforms shared, on a machine of root a copy of Node and a cache of packages in
 * /var/lib/pilot. The folder itself goes with the home, whose own database lies there too.
 */
export async function removeSharedFolders(home: Home): Promise<void> {
  for (const name of shared) await rm(join(home.paths.reachable, name), { recursive: true, force: true })
}
