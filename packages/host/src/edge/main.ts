import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { loadHome } from '../home/load.ts'
import { watchSupervisor } from '../supervisor/start.ts'
import { controlSocketName, isCurrentControl, longestDrainMs, pointControlHere, serveControl } from './control.ts'
import { createEdge } from './edge.ts'
import { tell } from './listeners.ts'
import { collectWhenIdle } from '../idle-memory.ts'

/**
 * The edge of one home: `node edge/main.js HOME PORT`, kept by the supervisor. SIGTERM: stop accepting, finish what is under
 * way, at most until the supervisor loses patience; a successor may accept on the same sockets meanwhile.
 */
const home = loadHome(process.argv[2] ?? '')
const port = Number(process.argv[3])
const log = (line: string): void => console.log(`${new Date().toISOString()} ${line}`)

const edge = createEdge(home, { port, log })
let leaving: Promise<void> | undefined

process.on('SIGTERM', () => void leave())
process.on('SIGINT', () => void leave())
process.on('SIGHUP', () => {})
process.on('uncaughtException', (error) => log(`internal error: ${error.stack}`))
process.on('unhandledRejection', (error) => log(`internal error: ${error instanceof Error ? error.stack : String(error)}`))

await serveControl(home, {
  reload: () => edge.reload(),
  state: () => edge.state(),
  metrics: () => edge.metrics(),
  open: (query) => ({ open: edge.openRequests(query.get('route') ?? '', query.getAll('deployment')) }),
  drain: () => {
    void leave()
    return { leaving: true }
  },
})
const { problems } = await edge.reload()
pointControlHere(home)
tell({ pilot: 'ready' })
const stopWatching = watchSupervisor(home, {
  onHomeGone: () => {
    log(`${home.dir} is gone`)
    void leave()
    // Its supervisor, which would lose patience, may be dead.
    setTimeout(() => process.exit(0), longestDrainMs)
  },
})
collectWhenIdle()
log(`edge ${process.pid} on port ${port}${Object.keys(problems).length === 0 ? '' : `, ${JSON.stringify(problems)}`}`)

function leave(): Promise<void> {
  stopWatching()
  // With a successor nobody notices; without one, whoever stops the edge should not wait for idle browsers.
  leaving ??= edge.drain({ idleMs: isCurrentControl(home) ? 100 : 5_000 }).finally(() => {
    rmSync(join(home.paths.run, controlSocketName(process.pid)), { force: true })
    log(`edge ${process.pid} has finished`)
    process.exit(0)
  })
  return leaving
}
