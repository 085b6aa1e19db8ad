import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import type { DatabaseAddress } from '../db/database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: DatabaseAddress
  }
}

/** One PostgreSQL cluster for all test files of this package; each test makes a database of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // A process of its own, since Vitest loads this file without the condition that finds the other packages' sources.
  const child = spawn(process.execPath, ['--conditions=@pilot/source', fileURLToPath(new URL('./postgres-process.ts', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const address = await new Promise<DatabaseAddress>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => reject(new Error(`PostgreSQL for the tests did not start (${code})`)))
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as DatabaseAddress))
  })
  project.provide('postgres', address)
  return async () => {
    child.stdin.end()
    await ended
  }
}
