import { takeConfig } from './config.ts'
import { createFront } from './front.ts'
import { logLine } from './log.ts'
import { createPool } from './pool.ts'
import { consumeQueue } from './queue-events.ts'
import { serveRuntimeApi } from './runtime-api.ts'
import { startWorker } from './worker.ts'

/**
 * The function host of one deployment, kept by the supervisor: takes HTTP requests and events, and starts workers for them. Killed,
 * its workers end: they lose the runtime API, and the supervisor ends what carries the mark of its service.
 */
const config = takeConfig(process.env)
let address = ''
const pool = createPool(config, () => startWorker(config, address))
const api = await serveRuntimeApi(pool.workers)
address = api.address

const front = createFront(config, pool)
front.on('error', (error) => {
  logLine('ERROR', `It cannot listen on port ${config.port}: ${error.message}`)
  process.exit(1)
})
front.listen(config.port, '127.0.0.1', () => pool.warm())
const consumer = consumeQueue(config, pool)

/** What is under way may end, for as long as the supervisor waits. */
const leaveMs = Math.min(config.timeoutMs, 30_000)
let isLeaving = false
process.on('SIGTERM', () => void leave())
process.on('SIGINT', () => void leave())

async function leave(): Promise<void> {
  if (isLeaving) return
  isLeaving = true
  consumer.stop()
  front.close()
  await pool.close(leaveMs)
  front.closeIdleConnections()
  // Messages of which the queue does not learn that they are done come once more.
  await Promise.race([consumer.settled(), new Promise((resolve) => setTimeout(resolve, 3_000))])
  // Answers that were just given are on their way.
  setTimeout(() => process.exit(0), 50)
}
