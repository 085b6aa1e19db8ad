import { resolve } from 'node:path'
import { readJsonSync } from './files.ts'
import type { Home } from './home.ts'
import { pathsOf } from './paths.ts'

/** A home that was opened before: for the programs of the home, which must stay small and therefore import little. */
export function loadHome(dir: string): Home {
  const absolute = resolve(dir)
  const file = readJsonSync<{ id: string; run: string; reachable: string }>(`${absolute}/home.json`)
  if (file === undefined) throw new Error(`${absolute} is not a Pilot home.`)
  return { id: file.id, dir: absolute, paths: pathsOf({ dir: absolute, run: file.run, reachable: file.reachable }) }
}
