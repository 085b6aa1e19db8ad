/** `@pilot/server/client`: loads Node's HTTP client and nothing else. */
export { apiVersion } from '../contract/version.ts'
export { createClient, type Client, type ClientOptions, type JsonRoute, type RequestInput } from './client.ts'
export type { CommandSession } from './command-session.ts'
export type { LogChunk } from './streams.ts'
