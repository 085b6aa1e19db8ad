import { spawn } from 'node:child_process'
import { payloadOf, textOf } from './message.ts'
import type { Send } from './send.ts'

const timeoutMs = 60_000
const told = 500

/** Runs the command as the user of the home, without a shell: the payload is its standard input, the main parts are in PILOT_ variables. */
export const sendCommand: Send<'command'> = ({ command: [program = '', ...args] }, message, { cwd, signal }) =>
  new Promise((resolve, reject) => {
    const { event, platform, project = '', environment = '', apps = [], title, operation = '' } = message.notice
    const inherited = Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
    const env = { ...inherited, PILOT_EVENT: event, PILOT_PLATFORM: platform, PILOT_PROJECT: project, PILOT_ENVIRONMENT: environment, PILOT_APPS: apps.join(' '), PILOT_TITLE: title, PILOT_TEXT: textOf(message), PILOT_OPERATION: operation, PILOT_DELIVERY: message.id }
    const child = spawn(program, args, { cwd, env, stdio: ['pipe', 'ignore', 'pipe'], detached: true })
    let last = ''
    child.stderr.on('data', (chunk: Buffer) => (last = (last + chunk.toString('utf8')).slice(-told)))
    // One that does not read its input is none of our business.
    child.stdin.on('error', () => {})
    child.stdin.end(`${JSON.stringify(payloadOf(message))}\n`)
    const end = (): void => {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // Gone already.
      }
    }
    const timer = setTimeout(end, timeoutMs)
    signal.addEventListener('abort', end, { once: true })
    child.once('error', (error: NodeJS.ErrnoException) => settle(new Error(error.code === 'ENOENT' ? `there is no ${program}` : `cannot be started (${error.code ?? error.message})`)))
    child.once('exit', (code, killed) => settle(code === 0 ? undefined : new Error(killed === null ? `exit code ${code}${last.trim() === '' ? '' : `: ${last.trim().split('\n').at(-1)}`}` : signal.aborted ? 'interrupted' : `ended by ${killed}${killed === 'SIGKILL' ? ` after ${timeoutMs / 1000} s` : ''}`)))

    function settle(error: Error | undefined): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      if (error === undefined) resolve()
      else reject(error)
    }
  })
