/**
 * `node:http` without the cost of importing it: a module that imports it by name makes Node evaluate all of its exports, and
 * with them its WebSocket and fetch, for 14 MB that the edge would carry for ever.
 */
export const { createServer, request: httpRequest, STATUS_CODES } = process.getBuiltinModule('node:http')
export type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Loaded with the first certificate: without any, the edge never needs TLS. */
export const createSecureServer = (options: import('node:https').ServerOptions): import('node:https').Server => process.getBuiltinModule('node:https').createServer(options)
