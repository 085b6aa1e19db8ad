import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'

const types = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml' }

/** The few files of the front end, kept in memory: nothing outside the folder can be asked for. */
export async function loadFiles(folder) {
  const files = new Map()
  for (const name of await readdir(folder)) {
    const content = await readFile(new URL(name, folder))
    files.set(`/${name}`, { content, type: types[extname(name)] ?? 'application/octet-stream', etag: `"${createHash('sha256').update(content).digest('base64url').slice(0, 16)}"` })
  }

  return {
    serve(request, response, pathname) {
      const file = files.get(pathname === '/' ? '/index.html' : pathname)
      if (!file || !['GET', 'HEAD'].includes(request.method)) {
        response.writeHead(file ? 405 : 404, { 'content-type': 'text/plain' })
        return response.end(file ? 'Method not allowed\n' : 'Not found\n')
      }
      const headers = { 'content-type': file.type, etag: file.etag, 'cache-control': 'no-cache', 'content-security-policy': "default-src 'self'" }
      if (request.headers['if-none-match'] === file.etag) return response.writeHead(304, headers).end()
      response.writeHead(200, { ...headers, 'content-length': file.content.length })
      return response.end(request.method === 'HEAD' ? undefined : file.content)
    },
  }
}
