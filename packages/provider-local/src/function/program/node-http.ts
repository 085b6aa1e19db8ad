/** Not by an import: that makes Node evaluate all that the module exports, and with it 14 MB of WebSocket and fetch. */
export const { createServer, request: httpRequest, Agent } = process.getBuiltinModule('node:http')
export type { IncomingMessage, Server, ServerResponse } from 'node:http'

/**
 * Undefined when there is more than `limit`. What is too large is read on for a while, and thrown away: a client that is still sending when
 * the connection closes never sees the answer.
 */
export async function readBody(request: import('node:http').IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit * readOn) return undefined
    if (size > limit) chunks.length = 0
    else chunks.push(chunk)
  }
  return size > limit ? undefined : Buffer.concat(chunks)
}

const readOn = 4
