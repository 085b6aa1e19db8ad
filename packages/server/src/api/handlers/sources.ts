import { Readable } from 'node:stream'
import { PilotError } from '@pilot/core'
import { hasSource, putSource } from '../../sources/upload.ts'
import { RawAnswer, type Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

export function sourceHandlers({ home }: Services) {
  return {
    async sourceHeld({ params: { digest } }) {
      const status = (await hasSource(home.sources, digest)) ? 200 : 404
      return new RawAnswer((response) => void response.writeHead(status).end())
    },
    /** Whatever is wrong with the source, the connection stays, so that the client is told. */
    async putSource({ params: { digest }, raw, signal }) {
      if (raw.headers['transfer-encoding'] === undefined && Number(raw.headers['content-length'] ?? 0) === 0) throw new PilotError('USAGE', 'The body is empty', { suggestion: 'Send a gzipped tar.' })
      return putSource({ folder: home.sources, digest, body: Readable.from(raw.iterator({ destroyOnReturn: false }), { objectMode: false }), signal })
    },
  } satisfies Partial<Handlers>
}
