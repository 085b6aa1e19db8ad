import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import QuickLRU from 'quick-lru'
import { isHashed, resolveSite, type SiteAnswer } from './resolve.ts'
import { filesFolder, type SiteIndex } from './site-index.ts'

export interface Site {
  readonly folder: string
  readonly index: SiteIndex
  /** What is not there is index.html: the app routes in the browser. */
  readonly spa: boolean
}

/**
 * Answers one request from a site. Conditional requests, ranges and clients that go away are the business of `send`, which
 * Express serves files with; it is read with the first site, since most homes have none. Resolves to false where the site has no
 * page for what it does not know.
 */
export async function serveSite({ request, response, target, site }: { request: IncomingMessage; response: ServerResponse; target: string; site: Site }): Promise<boolean> {
  response.setHeader('x-content-type-options', 'nosniff')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(request.method === 'OPTIONS' ? 204 : 405, { allow: 'GET, HEAD, OPTIONS', 'content-length': 0 }).end()
    return true
  }
  const { accept, 'accept-encoding': acceptEncoding } = request.headers
  const answer = resolveSite(site.index, { target, accept, acceptEncoding: String(acceptEncoding ?? '') }, { spa: site.spa })
  switch (answer.kind) {
    case 'bad':
      response.writeHead(400, { 'content-length': 0 }).end()
      return true
    case 'redirect':
      response.writeHead(301, { location: answer.to, 'cache-control': 'no-cache', 'content-length': 0 }).end()
      return true
    case 'missing':
      return false
    case 'file':
      await sendFile({ request, response, site, answer })
      return true
  }
}

type FileAnswer = Extract<SiteAnswer, { kind: 'file' }>

/** What was asked for lately, of all sites, by size: at most 16 MB. A deployment never changes, so it stays right. */
const shelves = [
  { mostBytes: 32 * 1024, kept: new QuickLRU<string, Buffer>({ maxSize: 256 }) },
  { mostBytes: 256 * 1024, kept: new QuickLRU<string, Buffer>({ maxSize: 32 }) },
]

/** Undefined where it is large, or not there. */
async function contentOf(site: Site, { path, file, encoding }: FileAnswer): Promise<Buffer | undefined> {
  const kept = shelves.find(({ mostBytes }) => file.size <= mostBytes)?.kept
  if (kept === undefined) return undefined
  const at = join(site.folder, encoding ?? filesFolder, path)
  const known = kept.get(at)
  if (known !== undefined) return known
  const content = await readFile(at).catch(() => undefined)
  if (content !== undefined) kept.set(at, content)
  return content
}

const isPlain = ({ headers }: IncomingMessage): boolean => !['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'].some((name) => name in headers)

async function sendFile({ request, response, site, answer }: { request: IncomingMessage; response: ServerResponse; site: Site; answer: FileAnswer }): Promise<void> {
  const { path, file, status, encoding } = answer
  response.statusCode = status
  response.setHeader('content-type', file.type)
  response.setHeader('etag', `"${file.hash}${encoding === undefined ? '' : `-${encoding}`}"`)
  response.setHeader('cache-control', status === 200 && isHashed(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
  if (file.encodings !== undefined) response.setHeader('vary', 'accept-encoding')
  if (encoding !== undefined) response.setHeader('content-encoding', encoding)
  const content = isPlain(request) ? await contentOf(site, answer) : undefined
  if (content !== undefined) {
    if (status === 200) response.setHeader('accept-ranges', 'bytes')
    response.setHeader('content-length', content.length)
    response.end(request.method === 'HEAD' ? undefined : content)
    return
  }
  const { default: send } = await import('send')
  send(request, encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23'), {
    root: join(site.folder, encoding ?? filesFolder),
    dotfiles: 'allow',
    index: false,
    etag: false,
    lastModified: false,
    cacheControl: false,
    acceptRanges: status === 200,
  })
    .on('error', ({ status: failed, headers }: { status?: number; headers?: Record<string, string> }) => {
      for (const name of ['content-encoding', 'etag', 'cache-control', 'vary']) response.removeHeader(name)
      // Else it is in the index and not on the disk: somebody removed the artifact by hand.
      if (!response.headersSent) response.writeHead(failed === 416 ? 416 : 502, { 'content-length': 0, ...(failed === 416 ? headers : { 'pilot-edge': 'a file of the site is gone' }) })
      response.end()
    })
    .pipe(response)
}
