import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { FunctionConfig } from './config.ts'

/** A process that loads the handler and handles one event at a time, which it fetches from the runtime API. */
export interface Worker {
  /** The first part of its paths in the runtime API: who shows it is this worker. */
  readonly token: string
  readonly pid: number | undefined
  /** `exit code 3`, `signal SIGKILL`, or why it could not be started. */
  readonly ended: Promise<string>
  /** With all that it started. */
  kill(signal: NodeJS.Signals): void
  /** Resident memory; undefined where it cannot be told. */
  memory(): number | undefined
}

/** `api`: host and port of the runtime API. What it prints goes to the log of the app. */
export function startWorker({ worker, folder, name, deployment, handler, memoryBytes }: FunctionConfig, api: string): Worker {
  const token = randomBytes(16).toString('hex')
  const [command = '', ...args] = worker
  const child = spawn(command, args, {
    cwd: folder,
    env: {
      ...process.env,
      AWS_LAMBDA_RUNTIME_API: `${api}/${token}`,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: deployment,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(Math.floor(memoryBytes / 1024 ** 2)),
      AWS_LAMBDA_LOG_GROUP_NAME: name,
      AWS_LAMBDA_LOG_STREAM_NAME: `${deployment}/${randomUUID()}`,
      LAMBDA_TASK_ROOT: folder,
      _HANDLER: handler,
    },
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${basename(command)} could not be started: ${error.message}`))
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
  return { token, pid: child.pid, ended, kill: (signal) => killGroup(child, signal), memory: () => residentBytes(child.pid) }
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Gone already.
  }
}

function residentBytes(pid: number | undefined): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
  } catch {
    return undefined
  }
}
