import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { PilotError } from '@pilot/core'
import { hasSource, putSource } from '../../sources/upload.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

export function sourceHandlers({ home }: Services) {
  return {
    async sourceHeld({ params: { digest } }) {
      return new Response(null, { status: (await hasSource(home.sources, digest)) ? 200 : 404 })
    },
    async putSource({ params: { digest }, raw, signal }) {
      if (raw.body === null) throw new PilotError('USAGE', 'The body is empty', { suggestion: 'Send a gzipped tar.' })
      return putSource({ folder: home.sources, digest, body: Readable.fromWeb(raw.body as ReadableStream), signal })
    },
  } satisfies Partial<Handlers>
}
