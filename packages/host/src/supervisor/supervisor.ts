import { readdirSync, statfsSync, watch, type FSWatcher } from 'node:fs'
import { hasErrno } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { watchPresence } from '../home/presence.ts'
import { createService, type Service } from './service.ts'
import { readSpecs } from './spec.ts'

/** Keeps every service of the home as the files in `services/` say. */
export interface Supervisor {
  /** Looks at the files now. */
  scan(): void
  /** Stops looking; what runs lives on. */
  release(): void
  /** Stops every service, highest order first, and forgets none. */
  shutDown(): Promise<void>
}

/** Watching misses changes on some file systems, so it is backed by looking. */
const scanEveryMs = 2_000
const tendEveryMs = 30_000
const logEveryMs = 1_000
/** With less than this a program's lines do not get to the disk. */
const fullBytes = 1024 ** 2

/** `onHomeGone`: the folder was deleted, or is another home now, so that nobody can address these services any more. */
export function createSupervisor(home: Home, { log, onHomeGone }: { log(line: string): void; onHomeGone(): void }): Supervisor {
  const services = new Map<string, Service>()
  const complaints = new Map<string, string>()
  const presence = watchPresence(home)
  let soon: NodeJS.Timeout | undefined

  const watcher = watchSpecs()
  const scanning = setInterval(scan, scanEveryMs)
  const tending = setInterval(() => {
    for (const service of services.values()) service.tend()
  }, tendEveryMs)

  const lookingAtLogs = setInterval(() => {
    const seen = { now: Date.now(), diskIsFull: isFull() }
    for (const service of services.values()) void service.lookAtLog(seen)
  }, logEveryMs)

  function isFull(): boolean {
    try {
      const { bavail, bsize } = statfsSync(home.paths.logs)
      return bavail * bsize < fullBytes
    } catch {
      return false
    }
  }

  function scan(): void {
    const seen = presence()
    if (seen === 'gone') {
      log(`${home.dir} is gone`)
      onHomeGone()
    }
    if (seen !== 'there') return
    try {
      settleAll()
    } catch (error) {
      // Its folders go first while a home is being deleted; the next look tells.
      if (!hasErrno(error, 'ENOENT')) throw error
      log(`looking for services: ${(error as Error).message}`)
    }
  }

  /** Undefined where there is nothing to watch: then looking is all. */
  function watchSpecs(): FSWatcher | undefined {
    try {
      const watcher = watch(home.paths.services, () => {
        soon ??= setTimeout(() => {
          soon = undefined
          scan()
        }, 5)
      })
      return watcher.on('error', (error) => log(`watching ${home.paths.services}: ${error.message}`))
    } catch (error) {
      log(`watching ${home.paths.services}: ${(error as Error).message}`)
      return undefined
    }
  }

  function settleAll(): void {
    const { specs, broken } = readSpecs(home.paths)
    for (const [name, problem] of broken) {
      if (complaints.get(name) !== problem) log(`${name}: cannot be read and stays as it is: ${problem}`)
      complaints.set(name, problem)
    }
    for (const name of new Set([...specs.keys(), ...services.keys(), ...leftBehind(home)])) {
      if (broken.has(name)) continue
      complaints.delete(name)
      const spec = specs.get(name)
      const service = services.get(name) ?? add(name)
      service.want(spec)
    }
  }

  function add(name: string): Service {
    const service = createService({ home, name, log, onGone: () => services.delete(name) })
    services.set(name, service)
    return service
  }

  function release(): void {
    clearInterval(scanning)
    clearInterval(tending)
    clearInterval(lookingAtLogs)
    clearTimeout(soon)
    watcher?.close()
  }

  return {
    scan,
    release,
    async shutDown() {
      release()
      const orders = [...new Set([...services.values()].map((service) => service.order()))].sort((a, b) => b - a)
      for (const order of orders) await Promise.all([...services.values()].filter((service) => service.order() === order).map((service) => service.shutDown()))
    },
  }
}

/** Services that have a status but may have no specification any more: removed while no supervisor ran. */
function leftBehind(home: Home): readonly string[] {
  return readdirSync(home.paths.serviceStatus).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []))
}
