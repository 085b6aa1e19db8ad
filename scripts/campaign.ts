/**
 * What `npm test` tries a part of, whole: every point at which a process can be killed, long loads, many random graphs.
 *
 *   npm run campaign              all of it, for hours
 *   npm run campaign -- NAME …    these parts
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'

interface Part {
  readonly folder: string
  readonly files: readonly string[]
}

/** By what they show; each a selection of test files of one package. */
const parts: Readonly<Record<string, Part>> = {
  'traffic': { folder: 'e2e', files: ['load/releases.test.ts'] },
  'lifecycle-killed': { folder: 'e2e', files: ['crashes/lifecycle-killed.test.ts'] },
  'engine-killed': { folder: 'packages/core', files: ['src/testing/sigkill.test.ts'] },
  'api-fuzz': { folder: 'packages/server', files: ['src/api/fuzz.test.ts'] },
  'power-loss': { folder: 'packages/core', files: ['src/store/power.test.ts', 'src/graph/power.test.ts', 'src/store/damage.test.ts', 'src/secrets/power.test.ts'] },
  'bad-input': { folder: 'e2e', files: ['faults/apps.test.ts', 'faults/input.test.ts', 'faults/interrupts.test.ts', 'faults/containers.test.ts'] },
  'cancel': { folder: 'e2e', files: ['faults/cancel.test.ts'] },
  'server-load': { folder: 'packages/server', files: ['src/load.test.ts'] },
  'bad-sources': { folder: 'packages/core', files: ['src/source/hostile-source.test.ts'] },
  'power-loss-home': { folder: 'packages/host', files: ['src/home/power.test.ts'] },
  'engine-random': { folder: 'packages/core', files: ['src/graph/engine-random.test.ts'] },
}

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface Result extends Counts {
  readonly name: string
  readonly seconds: number
}

const root = path.resolve(import.meta.dirname, '..')
const named = process.argv.slice(2)
const unknown = named.filter((name) => !(name in parts))
if (unknown.length > 0) {
  console.error(`Not known: ${unknown.join(', ')}. There are ${Object.keys(parts).join(', ')}.`)
  process.exit(2)
}

const results: Result[] = []
for (const name of named.length > 0 ? named : Object.keys(parts)) results.push(await run(name, parts[name]!))
console.log(`\n${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}\n\n| | passed | failed | skipped | seconds |\n|---|---|---|---|---|`)
for (const { name, passed, failed, skipped, seconds } of results) console.log(`| ${name} | ${passed} | ${failed} | ${skipped} | ${seconds} |`)
process.exitCode = results.every(({ passed, failed }) => failed === 0 && passed > 0) ? 0 : 1

async function run(name: string, { folder, files }: Part): Promise<Result> {
  console.log(`\n${name}`)
  const started = performance.now()
  const child = spawn(process.execPath, [path.join(root, 'scripts/test/package.ts'), folder, ...files], { cwd: root, env: { ...process.env, PILOT_CAMPAIGN: 'full' }, stdio: ['ignore', 'inherit', 'inherit'] })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal))
  await new Promise((resolve) => child.once('exit', resolve))
  const counts = await readFile(path.join(root, folder, 'test-results.json'), 'utf8').then((text) => JSON.parse(text) as Counts, () => ({ passed: 0, failed: 1, skipped: 0 }))
  const { passed, failed, skipped } = counts
  return { name, passed, failed, skipped, seconds: Math.round((performance.now() - started) / 1000) }
}
