import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const manifestFile = 'pilot.yaml'

/** The folder of the nearest manifest, upwards from `folder`. */
export function findProjectFolder(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    if (existsSync(join(current, manifestFile))) return current
    if (dirname(current) === current) return undefined
  }
}
