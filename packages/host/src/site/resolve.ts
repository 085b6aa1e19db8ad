import type { Encoding, SiteFile, SiteIndex } from './site-index.ts'

/** What a site answers to a path. Pure. */
export type SiteAnswer =
  | { readonly kind: 'file'; readonly path: string; readonly file: SiteFile; readonly status: 200 | 404; readonly encoding?: Encoding }
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'bad' }

export interface SiteRequest {
  /** As requested, with its query: `/about?x=1`. */
  readonly target: string
  readonly accept?: string | undefined
  readonly acceptEncoding?: string | undefined
}

/**
 * As static hosts do it: the file; `/about` is about.html; a folder is its index.html, with the slash that relative links need.
 * What is not there is the page of the app when it routes by itself (`spa`) and a page was asked for, else 404.html.
 */
export function resolveSite({ files }: SiteIndex, { target, accept, acceptEncoding }: SiteRequest, { spa = false }: { spa?: boolean } = {}): SiteAnswer {
  const end = target.search(/[?#]/)
  const query = end === -1 ? '' : target.slice(end)
  const path = decode(end === -1 ? target : target.slice(0, end))
  if (path === undefined) return { kind: 'bad' }
  const answer = (name: string, status: 200 | 404 = 200): SiteAnswer | undefined => {
    const file = fileOf(files, name)
    if (file === undefined) return undefined
    const encoding = choose(file, acceptEncoding)
    return { kind: 'file', path: name, file, status, ...(encoding === undefined ? {} : { encoding }) }
  }
  const found = path.endsWith('/') ? answer(`${path}index.html`) : (answer(path) ?? answer(`${path}.html`))
  if (found !== undefined) return found
  if (!path.endsWith('/') && fileOf(files, `${path}/index.html`) !== undefined) return { kind: 'redirect', to: `${encodeURI(path).replace(/^\/{2,}/, '/')}/${query}` }
  const isPage = accept === undefined || /text\/html|\*\/\*/.test(accept)
  const hasExtension = /\.[a-z0-9]{1,8}$/i.test(path)
  return (spa && isPage && !hasExtension ? answer('/index.html') : undefined) ?? answer('/404.html', 404) ?? { kind: 'missing' }
}

const fileOf = (files: SiteIndex['files'], path: string): SiteFile | undefined => (Object.hasOwn(files, path) ? files[path] : undefined)

/** Undefined for what is no path: bad percent signs, zero bytes. Dots need no care: only what the index names is served. */
function decode(path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path)
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}

/** The smallest form that the client takes: `br`, else `gzip`, unless it says `q=0`. */
function choose({ encodings = [] }: SiteFile, accepted = ''): Encoding | undefined {
  const taken = new Map(accepted.toLowerCase().split(',').map((part) => part.trim().split(/\s*;\s*q=/)).map(([name = '', quality]) => [name, quality === undefined ? 1 : Number(quality)]))
  return encodings.find((encoding) => (taken.get(encoding) ?? taken.get('*') ?? 0) > 0)
}

/** A name that carries a hash of the content never means anything else: `app-3f9a1c2b.js`, `main.3f9a1c2b.css`. */
export function isHashed(path: string): boolean {
  const hash = /[.-]([A-Za-z0-9_-]{8,})\.[a-z0-9]+$/.exec(path)?.[1]
  return hash !== undefined && /\d/.test(hash) && /[A-Za-z]/.test(hash)
}
