import type { buildConnector as UndiciBuildConnector, Client as UndiciClient, Pool as UndiciPool } from 'undici'
import clientModule from 'undici/lib/dispatcher/client.js'
import poolModule from 'undici/lib/dispatcher/pool.js'
import connectModule from 'undici/lib/core/connect.js'

/**
 * Parts of undici by their own files: its index also loads fetch, caches, mocks and WebSocket, which the edge never uses
 * and which cost 10 MB. undici has no `exports` map; when these files move, nothing starts and every test of the edge fails.
 */
export const Pool: typeof UndiciPool = poolModule
export const Client: typeof UndiciClient = clientModule
export const buildConnector: typeof UndiciBuildConnector = connectModule
export type Pool = UndiciPool
export type Client = UndiciClient
export type { Dispatcher } from 'undici'
