import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

/**
 * A registry for tests, as far as an engine needs one to pull: the reading half of the OCI distribution specification, over HTTP on
 * 127.0.0.1, which engines allow. It holds images that are made here of files of this machine.
 */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:34567`, what image names begin with. */
  readonly host: string
  /** Every request so far: `GET /v2/…`. */
  readonly seen: readonly string[]
  /** Puts an image there, replacing the tag; returns its digest. */
  put(image: RegistryImage): Promise<string>
  /** From now on this digest is answered with other bytes. */
  damage(digest: string): void
}

export interface RegistryImage {
  readonly name: string
  readonly tag: string
  /** What it serves on port 8080. */
  readonly text: string
  readonly architecture?: string
  /** Everything else of the image's configuration. */
  readonly config?: Readonly<Record<string, unknown>>
}

interface Blob {
  readonly type: string
  readonly content: Buffer
}

export async function startRegistry({ login }: { login?: { readonly username: string; readonly password: string } } = {}): Promise<Registry> {
  const blobs = new Map<string, Blob>()
  const tags = new Map<string, string>()
  const seen: string[] = []
  const add = (type: string, content: Buffer): string => {
    const digest = digestOf(content)
    blobs.set(digest, { type, content })
    return digest
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push(`${request.method} ${request.url}`)
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0')
    if (login && request.headers.authorization !== `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`) {
      response.setHeader('WWW-Authenticate', 'Basic realm="test"')
      return problem(response, 401, 'UNAUTHORIZED', 'authentication required')
    }
    if (request.url === '/v2/') return void response.end('{}')
    const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(request.url ?? '') ?? []
    const digest = reference?.startsWith('sha256:') ? reference : tags.get(`${name}:${reference}`)
    const blob = digest === undefined ? undefined : blobs.get(digest)
    if (!blob) return problem(response, 404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', 'manifest unknown')
    response.writeHead(200, { 'Content-Type': blob.type, 'Content-Length': blob.content.length, 'Docker-Content-Digest': digest })
    response.end(request.method === 'HEAD' ? undefined : blob.content)
  }
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    host,
    seen,
    async put({ name, tag, text, architecture = process.arch === 'x64' ? 'amd64' : process.arch, config = {} }) {
      const layer = await webLayer(text)
      const zipped = gzipSync(layer)
      const image = { architecture, os: 'linux', config: { Cmd: ['/bin/busybox', 'httpd', '-f', '-p', '8080', '-h', '/www'], ExposedPorts: { '8080/tcp': {} }, ...config }, rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } }
      const configuration = Buffer.from(JSON.stringify(image))
      const manifest = {
        schemaVersion: 2,
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: configuration.length, digest: add('application/octet-stream', configuration) },
        layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: zipped.length, digest: add('application/octet-stream', zipped) }],
      }
      const digest = add(manifest.mediaType, Buffer.from(JSON.stringify(manifest)))
      tags.set(`${name}:${tag}`, digest)
      return digest
    },
    damage(digest) {
      const { type, content } = blobs.get(digest)!
      blobs.set(digest, { type, content: Buffer.from(content.toString().replace('"schemaVersion":2', '"schemaVersion": 2')) })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** A web server and one page. */
async function webLayer(text: string): Promise<Buffer> {
  const tar = pack()
  const entry = (name: string, mode: number, content: string | Buffer): void => void tar.entry({ name, mode, mtime: new Date(0) }, content)
  entry('bin/busybox', 0o755, await readFile('/bin/busybox'))
  entry('www/index.html', 0o644, text)
  tar.finalize()
  return await buffer(tar as unknown as NodeJS.ReadableStream)
}

function problem(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ errors: [{ code, message }] }))
}

const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`
