import { stat, statfs } from 'node:fs/promises'
import type { DiskUse } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { Engine } from './engine/engine.ts'

/** Of the home, and of the Docker engine where that has another one on this machine. */
export async function disksOf(home: Home, engine: (() => Promise<Engine>) | undefined): Promise<readonly DiskUse[]> {
  const engineFolder = engine === undefined ? undefined : await rootOf(engine).catch(() => undefined)
  const places = [{ title: 'Pilot', path: home.dir }, ...(engineFolder === undefined ? [] : [{ title: 'the Docker engine', path: engineFolder }])]
  const found = new Map<number, DiskUse>()
  for (const { title, path } of places) {
    // An engine in a virtual machine has a folder of a name that means nothing here.
    const [device, space] = await Promise.all([stat(path).catch(() => undefined), statfs(path).catch(() => undefined)])
    if (device === undefined || space === undefined || found.has(device.dev)) continue
    found.set(device.dev, { title, path, freeBytes: space.bavail * space.bsize, totalBytes: space.blocks * space.bsize })
  }
  return [...found.values()]
}

const roots = new WeakMap<Engine, string>()

async function rootOf(open: () => Promise<Engine>): Promise<string | undefined> {
  const engine = await open()
  const known = roots.get(engine) ?? ((await engine.docker.info()) as { DockerRootDir?: string }).DockerRootDir
  if (known !== undefined) roots.set(engine, known)
  return known
}
