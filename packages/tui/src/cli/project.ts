import { lstatSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const manifestFile = 'pilot.yaml'

/** The folder of the nearest manifest, upwards from `folder`; also where it cannot be read, which whoever reads it says. */
export function findProjectFolder(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    if (lstatSync(join(current, manifestFile), { throwIfNoEntry: false }) !== undefined) return current
    if (dirname(current) === current) return undefined
  }
}
