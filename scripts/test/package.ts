/** Runs the tests of one package: `node scripts/test/package.ts packages/core`. Called by Nx, which remembers what passed. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')
const [folder, ...files] = process.argv.slice(2)
if (folder === undefined || !existsSync(path.join(root, folder, 'vitest.config.ts'))) {
  console.error('Usage: node scripts/test/package.ts FOLDER-OF-A-PACKAGE [FILE …]')
  process.exit(2)
}

await rm(path.join(root, folder, 'test-results.json'), { force: true })
// Nx asks every program for colours; processes that tests start would then colour the numbers that tests read.
const { FORCE_COLOR: _, ...env } = process.env
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
const child = spawn(process.execPath, [vitest, 'run', ...files], { cwd: path.join(root, folder), env, stdio: ['ignore', 'inherit', 'inherit'] })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.once('exit', (code) => process.exit(code ?? 1))
