import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Job, JobAnswer } from './sigkill.fixture.ts'

/** A process that does jobs with the engine, until it is killed. */
export interface Client {
  readonly pid: number
  ask(job: Job): Promise<JobAnswer | 'killed'>
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  kill(): Promise<void>
}

export interface ClientPool {
  start(): Client
  /** In a process that did nothing but whole jobs before: those are used again. */
  ask(job: Job): Promise<JobAnswer>
  stop(): void
}

/** In one file a program starts ten times as fast, and thousands of processes are started. */
export async function bundleClient(outfile: string): Promise<void> {
  await build({ entryPoints: [fileURLToPath(new URL('./sigkill.fixture.ts', import.meta.url))], outfile, bundle: true, platform: 'node', format: 'esm', conditions: ['@pilot/source'], logLevel: 'warning' })
}

export function createClientPool(program: string): ClientPool {
  const clients = new Set<Client>()
  const idle: Client[] = []

  return {
    start,
    async ask(job) {
      const client = idle.pop() ?? start()
      const answer = await client.ask(job)
      if (answer === 'killed') throw new Error('The process ended by itself')
      idle.push(client)
      return answer
    },
    stop() {
      for (const client of clients) void client.kill()
    },
  }

  function start(): Client {
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const lines = createInterface({ input: child.stdout })
    const client: Client = {
      pid: child.pid!,
      ask(job) {
        child.stdin.write(`${JSON.stringify(job)}\n`)
        return Promise.race([new Promise<JobAnswer>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as JobAnswer))), ended.then(() => 'killed' as const)])
      },
      signal: (name) => void child.kill(name),
      async kill() {
        child.kill('SIGKILL')
        await ended
      },
    }
    clients.add(client)
    void ended.then(() => clients.delete(client))
    return client
  }
}
