import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { replaceJson } from '../home/files.ts'

/**
 * A built site as it lies on disk and is served:
 *
 * ```
 * <folder>/site.json     what there is; nothing else is ever served
 *          files/…       as the build left them
 *          br/… gzip/…   the same compressed, where that makes them smaller
 * ```
 */
export interface SiteIndex {
  readonly version: 1
  /** By path: `/assets/app-3f9a1c2b.js`. */
  readonly files: Readonly<Record<string, SiteFile>>
}

export interface SiteFile {
  /** Of the file as it is, bytes. */
  readonly size: number
  /** First half of the SHA-256 of its content, hexadecimal: the same content has the same ETag in every deployment. */
  readonly hash: string
  /** With charset for text. */
  readonly type: string
  readonly encodings?: readonly Encoding[]
}

export type Encoding = 'br' | 'gzip'

export const siteIndexFile = 'site.json'
export const filesFolder = 'files'

const leastCompressed = 1_024
/** Beyond it the best compression takes seconds per file. */
const mostForBest = 2 * 1024 ** 2
const compressible = /^(?:text\/|image\/svg|font\/(?:ttf|otf)|application\/(?:javascript|json|xml|wasm|manifest\+json|ld\+json|rss\+xml|atom\+xml|xhtml\+xml))/

const compressors: Readonly<Record<Encoding, (content: Buffer) => Promise<Buffer>>> = {
  br: (content) => promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: content.length > mostForBest ? 5 : 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
  gzip: (content) => promisify(gzip)(content, { level: 9 }),
}

/** Reads `<folder>/files`, writes the compressed forms and the index. Left out are links, what is no file, and hidden names but `.well-known`. */
export async function writeSiteIndex(folder: string): Promise<SiteIndex> {
  const files: Record<string, SiteFile> = {}
  const root = join(folder, filesFolder)
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).filter((path) => !isHidden(path))
  for (const path of paths.sort()) files[`/${path}`] = await indexFile(folder, path)
  const index: SiteIndex = { version: 1, files }
  replaceJson(join(folder, siteIndexFile), index, { mode: 0o644 })
  return index
}

const isHidden = (path: string): boolean => path.split('/').some((name) => name.startsWith('.') && name !== '.well-known')

async function indexFile(folder: string, path: string): Promise<SiteFile> {
  const { contentType } = await import('mime-types')
  const content = await readFile(join(folder, filesFolder, path))
  const type = contentType(path.slice(path.lastIndexOf('/') + 1)) || 'application/octet-stream'
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 32)
  const encodings = compressible.test(type) && content.length >= leastCompressed ? await compress({ folder, path, content }) : []
  return { size: content.length, hash, type, ...(encodings.length > 0 ? { encodings } : {}) }
}

async function compress({ folder, path, content }: { folder: string; path: string; content: Buffer }): Promise<Encoding[]> {
  const made = await Promise.all(
    (Object.keys(compressors) as Encoding[]).map(async (encoding) => {
      const smaller = await compressors[encoding](content)
      if (smaller.length > content.length * 0.9) return []
      const target = join(folder, encoding, path)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, smaller)
      return [encoding]
    }),
  )
  return made.flat()
}
