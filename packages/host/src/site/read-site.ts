import { join } from 'node:path'
import { readJsonSync } from '../home/files.ts'
import type { Site } from './serve.ts'
import { siteIndexFile, type SiteIndex } from './site-index.ts'

/** A site that is read at its first request and then kept: a deployment never changes. Undefined while it cannot be read. */
export function readSite({ folder, spa = false }: { folder: string; spa?: boolean }): () => Site | undefined {
  let site: Site | undefined
  return () => {
    try {
      const index = site === undefined ? readJsonSync<SiteIndex>(join(folder, siteIndexFile)) : undefined
      if (index?.version === 1) site = { folder, index, spa }
    } catch {
      // Not there, or not whole: the next request looks again.
    }
    return site
  }
}
