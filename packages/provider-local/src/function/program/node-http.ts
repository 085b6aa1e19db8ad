/** Not by an import: that makes Node evaluate all that the module exports, and with it 14 MB of WebSocket and fetch. */
export const { createServer, request: httpRequest, Agent } = process.getBuiltinModule('node:http')
export type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Undefined when there is more than `limit`: the rest is not read. */
export async function readBody(request: import('node:http').IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
