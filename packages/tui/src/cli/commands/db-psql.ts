import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { Login } from '@pilot/server/contract'
import { appArgument, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'

export const dbPsql = defineCommand({
  name: 'db psql',
  summary: 'Open a prompt for SQL on the database of an app',
  description: [
    'Opens `psql` when it is installed, and a small prompt of Pilot\'s own otherwise: statements that end in `;`, `\\d` for tables, `\\q` to leave. Both also read what is piped into them.',
    'You are the app: same login, same rights. The password is in no argument and no history.',
  ],
  arguments: [appArgument],
  options: [{ flags: '--builtin', summary: 'Pilot\'s own prompt, also where psql is installed.' }],
  takesCommand: 'optional',
  examples: [
    { run: 'db psql', summary: 'a prompt' },
    { run: 'db psql api -- -c "select count(*) from todo"', summary: 'one statement' },
    { run: 'cat fix.sql | pilot db psql api', summary: 'a file of statements' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options, command }) {
    const { params, query } = await resolveApp(context, args[0])
    const login = await (await context.client()).request('databaseLogin', { params, query, signal: context.signal })
    const psql = flag(options, 'builtin') ? undefined : findPsql(context.terminal.env['PATH'])
    if (psql !== undefined) return await runPsql(context, { psql, login, args: command })
    const { runSqlPrompt } = await import('../sql/prompt.ts')
    return await runSqlPrompt(context, { login, statements: statementsOf(command) })
  },
})

function findPsql(path = ''): string | undefined {
  return path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, 'psql'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** psql has the terminal: Ctrl-C is its own. */
async function runPsql(context: CommandContext, { psql, login, args }: { psql: string; login: Login; args: readonly string[] }): Promise<number> {
  using _handler = context.onInterrupt(() => {})
  const { host, port, database, user, password } = login
  const { stdin, stdout, stderr, env } = context.terminal
  const child = spawn(psql, [...args], { env: { ...env, PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password, PGSSLMODE: 'disable' }, stdio: [stdin === process.stdin ? 'inherit' : 'pipe', stdout === process.stdout ? 'inherit' : 'pipe', stderr === process.stderr ? 'inherit' : 'pipe'] })
  if (child.stdin) stdin.pipe(child.stdin.on('error', () => {}))
  child.stdout?.pipe(stdout, { end: false })
  child.stderr?.pipe(stderr, { end: false })
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new PilotError('RESOURCE_FAILED', `${psql} could not be started`, { reason: error.message, suggestion: '`db psql --builtin` opens Pilot\'s own prompt.' })))
    child.once('close', (code) => resolve(code ?? 1))
  })
}

/** Of psql's many options our own prompt has one. */
function statementsOf(args: readonly string[]): readonly string[] | undefined {
  if (args.length === 0) return undefined
  const statements = args.flatMap((word, at) => (word === '-c' && args[at + 1] !== undefined ? [args[at + 1]!] : []))
  if (statements.length * 2 === args.length) return statements
  throw new PilotError('USAGE', `psql is not installed, and Pilot's own prompt knows only \`-c SQL\`, not ${args.join(' ')}.`, { suggestion: 'Install it (Debian: `apt install postgresql-client`).' })
}
