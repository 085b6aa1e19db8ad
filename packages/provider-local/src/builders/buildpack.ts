import type { Builder } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { Engine } from '../engine/engine.ts'
import { keptImages } from './kept-image.ts'

/**
 * Builds an image with Cloud Native Buildpacks, through the `pack` of this machine. Only where the manifest says so: an app that runs as a
 * process must not become a container on the day when somebody installs pack. docs/decisions/0053.
 */
export function buildpackBuilder({ engine, home, platformId }: { engine: () => Promise<Engine>; home: Home; platformId: string }): Builder {
  return {
    name: 'buildpack',
    target: 'container',
    fits: ({ build, image }) => (build === 'buildpack' && image === undefined ? { reason: 'the manifest says buildpack' } : undefined),
    // What only such a build needs is not in the memory of a server that has none.
    build: async (call) => (await import('./pack-build.ts')).buildWithPack({ call, engine: await engine(), home, platformId }),
    ...keptImages(engine),
  }
}
