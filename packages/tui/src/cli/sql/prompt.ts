import { createInterface } from 'node:readline'
import { splitStatements } from '@pilot/core/sql'
import type { Login } from '@pilot/server/contract'
import pg from 'pg'
import type { CommandContext } from '../context.ts'
import { clean, cleanLine } from '../text/clean.ts'
import { backslashCommand } from './backslash.ts'
import { resultText, type SqlResult } from './result-text.ts'

/**
 * A small prompt for SQL: a statement runs when its semicolon is there. Piped into, it says nothing but results, goes on after an
 * error, and its exit code tells. Resolves to 0, or 1 when a statement that was piped or given failed.
 */
export async function runSqlPrompt(context: CommandContext, { login, statements }: { login: Login; statements: readonly string[] | undefined }): Promise<number> {
  const client = new pg.Client({ ...login, application_name: 'pilot db psql', types: { getTypeParser: () => (text: unknown) => text } as never })
  client.on('error', () => {})
  client.on('notice', ({ severity, message }) => context.output.error(clean(`${severity}:  ${message}`)))
  await client.connect()
  try {
    const run = (text: string): Promise<boolean> => runStatement(context, client, text)
    if (statements !== undefined) {
      for (const statement of statements) if (!(await run(statement))) return 1
      return 0
    }
    return await readStatements(context, { run, database: login.database })
  } finally {
    await client.end().catch(() => {})
  }
}

async function readStatements(context: CommandContext, { run, database }: { run(text: string): Promise<boolean>; database: string }): Promise<number> {
  const { stdin, stdout } = context.terminal
  const isAsked = stdin.isTTY === true && stdout.isTTY === true
  const lines = createInterface({ input: stdin, ...(isAsked ? { output: stdout, historySize: 500 } : {}), terminal: isAsked })
  let buffer = ''
  let exit = 0
  const prompt = (): void => {
    if (!isAsked) return
    lines.setPrompt(`${cleanLine(database)}${buffer.trim() === '' ? '=>' : '->'} `)
    lines.prompt()
  }
  // Ctrl-C leaves the statement, not the prompt.
  using _handler = context.onInterrupt(() => forget())
  lines.on('SIGINT', () => forget())
  function forget(): void {
    buffer = ''
    if (isAsked) stdout.write('\n')
    prompt()
  }

  if (isAsked) stdout.write('Statements end in `;`. \\d lists tables, \\q leaves, \\? says more.\n')
  prompt()
  for await (const line of lines) {
    const command = buffer.trim() === '' && line.trim().startsWith('\\') ? backslashCommand(line.trim()) : undefined
    if (command?.type === 'quit') break
    if (command?.type === 'say') context.output.result(command.text)
    else if (command?.type === 'query') await run(command.sql)
    else {
      const { statements, rest } = splitStatements(`${buffer}${line}\n`)
      buffer = rest.trim() === '' ? '' : rest
      for (const statement of statements) if (!(await run(statement)) && !isAsked) exit = 1
    }
    prompt()
  }
  lines.close()
  // What was piped may leave out the last semicolon.
  if (!isAsked && buffer.trim() !== '' && !(await run(buffer))) exit = 1
  return exit
}

async function runStatement({ output }: CommandContext, client: pg.Client, text: string): Promise<boolean> {
  try {
    const results = [await client.query({ text, rowMode: 'array' })].flat() as readonly SqlResult[]
    for (const result of results) output.result(await resultText(result))
    return true
  } catch (error) {
    const { severity = 'ERROR', message, detail, hint } = error as pg.DatabaseError
    output.error(clean([`${severity}:  ${message}`, ...(detail === undefined ? [] : [`DETAIL:  ${detail}`]), ...(hint === undefined ? [] : [`HINT:  ${hint}`])].join('\n')))
    return false
  }
}
