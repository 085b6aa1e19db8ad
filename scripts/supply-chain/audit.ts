/**
 * `npm run audit`: asks the registry for known vulnerabilities of what the packages of Pilot install and contain. Exit code 1 for a high or
 * critical one, 2 when the registry does not answer such questions, so that nothing was checked.
 */
import { spawn } from 'node:child_process'
import { root } from './lockfile.ts'
import { verdictOf } from './audit-verdict.ts'

// Asked once, and not for long: what is behind a mirror without audits says so at once.
const question = ['audit', '--json', '--omit=dev', '--fetch-retries=0', '--fetch-timeout=30000', '--loglevel=error']
const child = spawn('npm', question, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
const chunks: Buffer[] = []
child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
const failure = await new Promise<Error | undefined>((resolve) => child.once('error', resolve).once('close', () => resolve(undefined)))

const { exit, lines } = verdictOf(failure === undefined ? Buffer.concat(chunks).toString('utf8') : '', failure?.message)
for (const line of lines) (exit === 0 ? console.log : console.error)(line)
process.exitCode = exit
