import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AccountControl } from './account.ts'

type Remote<T> = { readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never }

/** One account as a test sees it. */
export interface FakeAccount extends Remote<AccountControl> {
  /** What kinds and providers are given: `fakeKinds({ url })`. */
  readonly url: string
}

export interface FakeCloud extends FakeAccount, AsyncDisposable {
  /** Another account of the same process: nothing is shared but the process. */
  account(name: string): FakeAccount
  stop(): Promise<void>
}

/** Starts the fake cloud as a process and waits until it answers. The methods of the result are those of its account `default`. */
export async function startFakeCloud(): Promise<FakeCloud> {
  const isSource = import.meta.url.endsWith('.ts')
  const main = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url))
  const child = spawn(process.execPath, [...(isSource ? ['--conditions=@pilot/source'] : []), main], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => reject(new Error(`The fake cloud ended with ${code} before it answered`)))
    createInterface({ input: child.stdout }).once('line', (line) => resolve((JSON.parse(line) as { url: string }).url))
  })
  const account = (name: string) => remoteAccount(`${url}/${name}`)
  const stop = async () => {
    child.stdin.end()
    await ended
  }
  return { ...account('default'), account, stop, [Symbol.asyncDispose]: stop }
}

function remoteAccount(url: string): FakeAccount {
  const methods = ['configure', 'calls', 'resources', 'violations', 'plant', 'spoil', 'remove', 'change', 'held', 'release', 'save', 'restore'] as const satisfies readonly (keyof AccountControl)[]
  const remote = Object.fromEntries(methods.map((method) => [method, (...params: unknown[]) => control(url, method, params)]))
  return { url, ...remote } as unknown as FakeAccount
}

async function control(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(`${url}/control`, { method: 'POST', body: JSON.stringify({ method, params }) })
  const body = await response.json()
  if (!response.ok) throw new Error(`${method} of the fake cloud: ${JSON.stringify(body)}`)
  return body
}
