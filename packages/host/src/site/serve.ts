import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
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

async function sendFile({ request, response, site, answer: { path, file, status, encoding } }: { request: IncomingMessage; response: ServerResponse; site: Site; answer: Extract<SiteAnswer, { kind: 'file' }> }): Promise<void> {
  const { default: send } = await import('send')
  response.statusCode = status
  response.setHeader('content-type', file.type)
  response.setHeader('etag', `"${file.hash}${encoding === undefined ? '' : `-${encoding}`}"`)
  response.setHeader('cache-control', status === 200 && isHashed(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
  if (file.encodings !== undefined) response.setHeader('vary', 'accept-encoding')
  if (encoding !== undefined) response.setHeader('content-encoding', encoding)
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
