import { readdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { AppIdentity } from '@pilot/core'
import { hasErrno, readJsonSync } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'
import type { LogLimits } from '../logs/keep-log.ts'

/** What should run, as a client asks for it. */
export interface ServiceSpec {
  /** Unique in the home, [a-z0-9][a-z0-9.-]*: the name of its files. */
  readonly name: string
  /** An absolute path, or a program on PATH. */
  readonly command: string
  readonly args?: readonly string[]
  readonly cwd?: string
  /** The whole environment, but for PATH, HOME, LANG and TZ, which are the supervisor's when absent. */
  readonly env?: Readonly<Record<string, string>>
  /** Joins `env`; on disk it is encrypted with the key of the home. */
  readonly secretEnv?: Readonly<Record<string, string>>
  /** Only root can ask for it; without it the service runs as the user of the home. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** Both output streams are appended here. */
  readonly logFile: string
  /** The log is copied to `<logFile>.1` and emptied when it is larger; default 10 MiB. */
  readonly logMaxBytes?: number
  /** Instead: the newest so many bytes of the log are kept for so long, with times (logs/keep-log.ts). */
  readonly logKeep?: LogLimits
  /** Default SIGTERM; sent to the whole process group. */
  readonly stopSignal?: NodeJS.Signals
  /** Then SIGKILL; default 10 s. */
  readonly stopTimeoutMs?: number
  readonly restart?: RestartPolicy
  /** The service may ask for listening sockets that outlive it (held-sockets.ts); its standard channel is then Node's IPC. */
  readonly holdsSockets?: boolean
  /** On a new revision the successor starts first, and the old one is stopped when it says that it is ready. Needs `holdsSockets`. */
  readonly overlap?: boolean
  /** Above this much resident memory of the whole tree the service is killed (Linux: by a cgroup where one can be made). */
  readonly memoryBytes?: number
  /** 0 to 19. */
  readonly nice?: number
  /** Services stop in the reverse order when all of them stop; default 50. */
  readonly order?: number
  /** For people: whose it is, and which of the app's processes where it is not the app itself. */
  readonly app?: AppIdentity
  readonly process?: string
  /** Raised to restart a service whose specification is the same. */
  readonly generation?: number
}

export interface RestartPolicy {
  readonly when: 'always' | 'on-failure' | 'never'
  /** Before the second restart in a row; doubled by each further one. The first is immediate. Default 200. */
  readonly delayMs?: number
  /** Default 10 s. */
  readonly maxDelayMs?: number
  /** A run of at least this long ends the row; default 10 s. */
  readonly steadyMs?: number
  /** Give up after so many restarts in a row; default: never. */
  readonly maxInARow?: number
}

/** As it lies on disk. `revision` is a keyed hash of the specification, secrets included. */
export interface StoredSpec extends Omit<ServiceSpec, 'secretEnv'> {
  readonly sealedEnv?: string
  readonly revision: string
}

const serviceNamePattern = /^[a-z0-9][a-z0-9.-]{0,120}$/

/** What is wrong with it, or undefined. Checked by hand: the supervisor is to stay small. */
export function problemOfSpec(spec: Partial<ServiceSpec>): string | undefined {
  if (typeof spec.name !== 'string' || !serviceNamePattern.test(spec.name)) return `the name ${JSON.stringify(spec.name)} does not match ${serviceNamePattern}`
  if (typeof spec.command !== 'string' || spec.command === '') return 'command is missing'
  if (typeof spec.logFile !== 'string' || !isAbsolute(spec.logFile)) return 'logFile must be an absolute path'
  if (spec.args !== undefined && !(Array.isArray(spec.args) && spec.args.every((arg) => typeof arg === 'string'))) return 'args must be strings'
  if (spec.env !== undefined && Object.values(spec.env).some((value) => typeof value !== 'string')) return 'env must hold strings'
  if (spec.overlap === true && spec.holdsSockets !== true) return 'overlap needs holdsSockets'
  return undefined
}

/** Every readable specification of the home; a file that cannot be read is reported and changes nothing. */
export function readSpecs(paths: HomePaths): { readonly specs: Map<string, StoredSpec>; readonly broken: Map<string, string> } {
  const specs = new Map<string, StoredSpec>()
  const broken = new Map<string, string>()
  for (const file of readdirSync(paths.services)) {
    if (!file.endsWith('.json')) continue
    const name = file.slice(0, -'.json'.length)
    try {
      const spec = readJsonSync<StoredSpec>(join(paths.services, file))
      if (spec === undefined) continue
      const problem = spec.name === name ? problemOfSpec(spec) : `the file is named ${file}`
      if (problem === undefined) specs.set(name, spec)
      else broken.set(name, problem)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) broken.set(name, (error as Error).message)
    }
  }
  return { specs, broken }
}
