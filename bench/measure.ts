import { spawn } from 'node:child_process'

/** Runs a program to its end, its output thrown away; wall time in milliseconds. Throws on another exit code than 0. */
export function timeOf(command: readonly string[], { env = {}, cwd }: { env?: Readonly<Record<string, string>>; cwd?: string } = {}): Promise<number> {
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore', env: { ...process.env, ...env }, ...(cwd === undefined ? {} : { cwd }) })
    child.once('error', reject).once('exit', (code) => (code === 0 ? resolve(performance.now() - started) : reject(new Error(`${command.join(' ')} ended with ${code}`))))
  })
}

/** A B A B …: pairs in turn, so that a machine that drifts slows both. */
export async function pairs(rounds: number, a: () => Promise<number>, b: () => Promise<number>): Promise<{ readonly a: Spread; readonly b: Spread; readonly ratio: Spread }> {
  const results: { a: number; b: number }[] = []
  for (let round = 0; round < rounds; round++) results.push({ a: await a(), b: await b() })
  return { a: spread(results.map(({ a }) => a)), b: spread(results.map(({ b }) => b)), ratio: spread(results.map(({ a, b }) => a / b)) }
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { min: sorted[0]!, median: sorted[Math.floor(sorted.length / 2)]!, max: sorted.at(-1)! }
}

export const shown = ({ min, median, max }: Spread, digits = 0): string => `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
