import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { errorFromBody, PilotError } from '@pilot/core'
import type { Issued, IssuerAnswer } from './issuer.ts'
import type { IssuerTask } from './main.ts'

/** Shorter than a call of the engine may take, also after some waiting. */
const issueTimeoutMs = 45_000

/** Returns when the program is gone, whatever happened. Throws CERTIFICATE_FAILED, CANCELLED. */
export async function runIssuer(task: IssuerTask, { signal, log, timeoutMs = issueTimeoutMs }: { signal: AbortSignal; log(line: string): void; timeoutMs?: number }): Promise<Issued> {
  signal.throwIfAborted()
  const fromSource = import.meta.url.endsWith('/src/certificates/run-issuer.ts')
  const main = fromSource ? fileURLToPath(new URL('./main.ts', import.meta.url)) : createRequire(import.meta.url).resolve('@pilot/provider-local/certificates/main')
  const proxies = Object.fromEntries(['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  const child = spawn(process.execPath, [...(fromSource ? ['--conditions=@pilot/source'] : []), '--disable-warning=ExperimentalWarning', main], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], ...proxies } })
  const timeout = AbortSignal.timeout(timeoutMs)
  const ending = AbortSignal.any([signal, timeout])
  const kill = (): void => void child.kill('SIGKILL')
  ending.addEventListener('abort', kill, { once: true })
  const ended = new Promise<string>((resolve) => child.once('close', (code, by) => resolve(by ?? `exit code ${code}`)).once('error', (error) => resolve(error.message)))
  let answer: IssuerAnswer | undefined
  const complaints: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line) > 20 && complaints.shift())
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as IssuerAnswer
    if ('log' in message) log(message.log)
    else answer = message
  })
  child.stdin.on('error', () => {}).write(`${JSON.stringify(task)}\n`)
  try {
    const how = await ended
    if (answer !== undefined && 'issued' in answer) return answer.issued
    if (answer !== undefined && 'error' in answer) throw errorFromBody(answer.error)
    const what = task.domain ?? 'the local authority'
    if (signal.aborted) throw new PilotError('CANCELLED', `The certificate for ${what} was cancelled`)
    if (timeout.aborted) throw new PilotError('CERTIFICATE_FAILED', `The certificate for ${what} was not there within ${timeoutMs / 1000} s`, { suggestion: 'What was begun is gone on with at the next attempt, which comes by itself; `domains renew` makes it now.' })
    throw new PilotError('CERTIFICATE_FAILED', `The certificate for ${what} was not made: ${how}`, { details: { log: complaints } })
  } finally {
    ending.removeEventListener('abort', kill)
  }
}
