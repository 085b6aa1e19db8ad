#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { version } from '../version.ts'

// `--version` is answered before anything else is loaded; so scripts may ask often.
const argv = process.argv.slice(2)
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`${version}\n`)
} else {
  enableCompileCache?.()
  const { runProcess } = await import('../cli/run-process.ts')
  await runProcess(argv)
}
